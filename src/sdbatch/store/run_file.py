"""What the processes of a run agree on, in ``.run-<plan>.json``: the profile, and how the plan is divided.

The first process whose renderer is open creates the file; no other can. It counts as long as a process lives whose
heartbeat names its profile, so the file of a run that ended or died refuses nobody. The last process removes it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch import files
from sdbatch.files import atomic
from sdbatch.spec.renderer import Profile

_WAIT = 2.0  # seconds for a file that another process has just created and is writing


@dataclass(frozen=True, slots=True)
class Run:
    """``division`` is the version of the rules by which the plan is divided."""

    division: int
    profile: Profile

    def data(self) -> bytes:
        return (json.dumps({"division": self.division, "profile": self.profile.asdict()}, indent=2) + "\n").encode()


def path(root: Path, plan: str) -> Path:
    """The file of the runs of ``plan`` (a digest)."""
    return root / f".run-{plan}.json"


def paths(root: Path) -> dict[str, Path]:
    """The files of an experiment, by plan."""
    return {p.stem.removeprefix(".run-"): p for p in root.glob(".run-*.json")}


def join(file: Path, ours: Run, counts: Callable[[str], bool], temporary: Path) -> Run:
    """The run in ``file``: ``ours``, unless another one is going on. Raises StoreError.

    ``counts`` says whether a process with this profile (a digest) lives; ``temporary``: as for ``atomic.create``.
    """
    with files.locked(file.with_suffix(".lock")), files.store_errors(file):
        while not atomic.create(file, ours.data(), temporary):
            found = _read(file)
            if found is not None and (found == ours or counts(found.profile.digest)):
                return found
            file.unlink(missing_ok=True)
    return ours


def _read(file: Path) -> Run | None:
    """The run in ``file``; None if it is not valid."""
    end = time.monotonic() + _WAIT
    while True:
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            data: dict[str, Any] = json.loads(file.read_bytes())
            return Run(int(data["division"]), Profile.of(data["profile"]))
        if time.monotonic() > end or not file.exists():
            return None
        time.sleep(0.05)
