"""How long rendering took, kept under runs/ for estimates. Never under outputs/: times would change its digest."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdbatch.errors import StoreError
from sdbatch.files import atomic, locked
from sdbatch.spec.cost import rows
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Profile


def cost(shot: Shot) -> float:
    """What a shot costs: denoiser rows x megapixels. Good to compare shots of one model."""
    return rows(shot) * shot.width * shot.height / 1e6


def read(path: Path) -> dict[str, Any]:
    """Earlier timings by profile digest and model; empty if there are none that can be read."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def add(path: Path, profile: Profile, weights: str, seconds: float, work: float) -> None:
    """Add one run's figures. What cannot be written is no reason to fail."""
    key = f"{profile.digest} {weights}"
    figures = {
        "model": weights,
        "device": profile.device_name or profile.device,
        "work": round(work, 3),
        "seconds": round(seconds, 3),
    }
    with suppress(OSError, StoreError), locked(path.with_name(f".{path.name}.lock")):
        data = read(path)
        data.pop(key, None)  # the latest goes to the end
        atomic.write(path, [f"{json.dumps({**data, key: figures}, indent=2)}\n".encode()])


def estimate(path: Path, work: float, weights: str) -> float | None:
    """Seconds that ``work`` (a sum of ``cost``) will take with the model ``weights``, going by its run before."""
    try:
        last = [v for v in read(path).values() if v["model"] == weights][-1]
        return work * float(last["seconds"]) / float(last["work"])
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
