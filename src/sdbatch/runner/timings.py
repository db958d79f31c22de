"""How long rendering took, kept under runs/ for estimates. Never under outputs/: times would change its digest."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdbatch.demand import rows
from sdbatch.jobs import Shot
from sdbatch.render import Profile


def cost(shot: Shot) -> float:
    """What a shot costs: denoiser rows x megapixels. Good to compare shots of one model."""
    return rows(shot) * shot.width * shot.height / 1e6


def read(path: Path) -> dict[str, Any]:
    """Earlier timings by profile digest; empty if there are none that can be read."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def add(path: Path, profile: Profile, seconds: float, work: float, shots: int) -> None:
    """Add one run's figures. What cannot be written is no reason to fail."""
    data = read(path)
    data.pop(profile.digest, None)  # the latest goes to the end
    data[profile.digest] = {
        "device": profile.device_name or profile.device,
        "shots": shots,
        "work": round(work, 3),
        "seconds": round(seconds, 3),
    }
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(json.dumps(data, indent=2) + "\n")
        part.replace(path)


def estimate(path: Path, work: float) -> float | None:
    """Seconds that ``work`` (a sum of ``cost``) will take, going by the run before."""
    try:
        last = list(read(path).values())[-1]
        return work * float(last["seconds"]) / float(last["work"])
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
