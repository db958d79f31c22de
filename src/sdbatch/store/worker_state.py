"""What a process says about itself in its heartbeat file, and how others read it.

The file holds one JSON object, padded with spaces to a fixed size, so that one write replaces all of it. Files of
earlier versions hold only the machine's id, as plain text.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

SIZE = 1024  # bytes of a heartbeat file
_MAX_TEXT = 120


class Liveness(StrEnum):
    """The state of a process."""

    ALIVE = "alive"
    ENDED = "ended"  # it ended normally
    GONE = "gone"  # it died, or was interrupted


@dataclass(slots=True)
class Report:
    """What a process says about itself. The run changes ``done`` and what follows; each heartbeat writes it.

    ``label``: the id of its SLURM job. ``started``: seconds, by the clock of the file system. ``cost``: the predicted
    cost of the shots that it has rendered. ``chunk``: the chunk that it claimed last. ``profile``: a digest.
    """

    machine: str = ""
    host: str = ""
    pid: int = 0
    label: str = ""
    started: float = 0.0
    done: int = 0
    failed: int = 0
    cost: float = 0.0
    chunk: str = ""
    profile: str = ""
    draining: bool = False

    def data(self) -> bytes:
        """The content of the heartbeat file."""
        values = {k: v[:_MAX_TEXT] if isinstance(v, str) else v for k, v in asdict(self).items()}
        return json.dumps(values).encode().ljust(SIZE - 1) + b"\n"


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A process that renders or has rendered the plan of ``scope``, as read from the shared folder.

    ``age``: seconds since its last heartbeat, ``seconds``: from its start to its last heartbeat, both by the clock of
    the file system. ``stopped``: it was interrupted or drained, and has left its unfinished work to others.
    """

    token: str
    scope: str
    liveness: Liveness
    age: float
    seconds: float
    report: Report
    stopped: bool = False


def about_us() -> Report:
    """The report of this process at its start."""
    return Report(machine(), platform.node(), os.getpid(), slurm_label(os.environ))


def slurm_label(environment: Mapping[str, str]) -> str:
    """``12_3`` for task 3 of the array 12, ``12`` for a SLURM job without an array, else nothing."""
    job = environment.get("SLURM_JOB_ID", "")
    task = environment.get("SLURM_ARRAY_TASK_ID", "")
    return f"{environment.get('SLURM_ARRAY_JOB_ID', job)}_{task}" if task else job


def machine() -> str:
    """An id of this machine since its start. Containers on one machine have the same id, and share its locks."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return platform.node()


def parse(data: bytes) -> Report:
    """The report in a heartbeat file. Values that are not valid are left out; never raises."""
    text = data.decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return Report(_printable(text))
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return Report()
    return Report(**{f.name: _value(values[f.name]) for f in fields(Report) if _valid(f.default, values.get(f.name))})


def _valid(default: Any, value: Any) -> bool:
    if isinstance(default, float):
        return type(value) in (int, float) and 0 <= value < 1e15
    return type(value) is type(default) and (type(value) is not int or 0 <= value < 1e15)


def _value(value: Any) -> Any:
    return _printable(value) if isinstance(value, str) else value


def _printable(text: str) -> str:
    return "".join(c for c in text[:_MAX_TEXT] if c.isprintable())
