"""Durations of earlier runs, stored under runs/ for estimates. Not under outputs/, which contains no times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sdbatch.errors import StoreError
from sdbatch.files import atomic, locked
from sdbatch.spec.renderer import Profile


def read(path: Path) -> dict[str, Any]:
    """Earlier timings by ``"<profile digest> <weights>"``; empty if the file is missing or damaged."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def key_of(weights: Iterable[str]) -> str:
    """What timings of a run with these weights are stored under."""
    return "+".join(sorted(set(weights)))


class Measured(NamedTuple):
    """A run of one process: ``seconds`` for ``work`` (a sum of costs). ``sharing``: processes on its device."""

    seconds: float
    work: float
    sharing: int = 1


def add(path: Path, profile: Profile, weights: str, run: Measured) -> None:
    """Add one run. Errors while writing are ignored."""
    key = f"{profile.digest} {weights}"
    figures = {
        "model": weights,
        "device": profile.device_name or profile.device,
        "work": round(run.work, 3),
        "seconds": round(run.seconds, 3),
        "sharing": run.sharing,
    }
    with suppress(OSError, StoreError), locked(path.with_name(f".{path.name}.lock")):
        data = read(path)
        data.pop(key, None)  # the latest run is the last entry
        atomic.write(path, [f"{json.dumps({**data, key: figures}, indent=2)}\n".encode()])


def estimate(path: Path, work: float, weights: str) -> float | None:
    """Seconds of one device for ``work`` (a sum of costs), from the latest run with ``weights``; None if unknown.

    Processes that shared the device did so much work together.
    """
    try:
        last = [v for v in read(path).values() if v["model"] == weights][-1]
        return work * float(last["seconds"]) / float(last["work"]) / float(last.get("sharing", 1))
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
