"""Durations of earlier runs, stored under runs/ for estimates. Not under outputs/, which contains no times."""

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
    """The relative cost of a shot: denoiser rows x megapixels. Comparable between shots of one model."""
    return rows(shot) * shot.width * shot.height / 1e6


def read(path: Path) -> dict[str, Any]:
    """Earlier timings by ``"<profile digest> <weights>"``; empty if the file is missing or damaged."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def add(path: Path, profile: Profile, weights: str, seconds: float, work: float) -> None:
    """Add one run: ``seconds`` for ``work`` (a sum of ``cost``). Errors while writing are ignored."""
    key = f"{profile.digest} {weights}"
    figures = {
        "model": weights,
        "device": profile.device_name or profile.device,
        "work": round(work, 3),
        "seconds": round(seconds, 3),
    }
    with suppress(OSError, StoreError), locked(path.with_name(f".{path.name}.lock")):
        data = read(path)
        data.pop(key, None)  # the latest run is the last entry
        atomic.write(path, [f"{json.dumps({**data, key: figures}, indent=2)}\n".encode()])


def estimate(path: Path, work: float, weights: str) -> float | None:
    """Seconds that ``work`` (a sum of ``cost``) will take, from the latest run with ``weights``; None if unknown."""
    try:
        last = [v for v in read(path).values() if v["model"] == weights][-1]
        return work * float(last["seconds"]) / float(last["work"])
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
