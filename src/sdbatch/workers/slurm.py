"""SLURM's commands: sbatch, squeue, scancel, scontrol. Never asks for the states of ended jobs: records tell those."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sdbatch.errors import ConfigError

MAX_ARRAY_SIZE = 1001  # SLURM's default
PATIENCE = 60  # seconds for one command: a busy controller is slow
_NOT_ENDED = "pending,running,suspended,configuring,completing,requeued,resizing,stage_out,stopped"


def check() -> None:
    """Raise ConfigError if this machine has no sbatch."""
    if shutil.which("sbatch") is None:
        hint = "run it where jobs are submitted; submit.dry=true prints the scripts, +cluster=local renders here"
        raise ConfigError.one("task", "submit needs sbatch, which is not on this machine", hint)


def max_array_size() -> int:
    """The cluster's MaxArraySize, or the default if it cannot be asked."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _run("scontrol", "show", "config")[1], re.M)
    return int(found[1]) if found else MAX_ARRAY_SIZE


def submit(script: Path, *options: str) -> str:
    """Submit ``script``; the job's number. Raises ConfigError with sbatch's message."""
    code, said, error = _run("sbatch", "--parsable", *options, str(script))
    if code or not said.strip():
        raise ConfigError.one("submit", f"sbatch refused {script}: {' '.join(error.split()) or 'without a message'}")
    return said.strip().partition(";")[0]


def queued(jobs: Sequence[str]) -> dict[str, int] | None:
    """How many tasks of ``jobs`` have not ended, by state (``RUNNING``); None if the controller does not answer."""
    code, said, error = _run("squeue", "-h", "-r", "-t", _NOT_ENDED, "-o", "%T", "-j", ",".join(jobs))
    if code and "Invalid job id" not in error:  # forgotten: ended long ago
        return None
    states = said.split()
    return {state: states.count(state) for state in sorted(set(states))}


def cancel(jobs: Sequence[str], waiting: bool = False) -> None:
    """Cancel ``jobs``, or only those that wait in the queue. Workers that run write what they have rendered."""
    _run("scancel", "--quiet", *(["--state=PENDING"] if waiting else []), *jobs)


def _run(*command: str) -> tuple[int, str, str]:
    """The exit code and both outputs; 127 if the command is missing or does not end."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as e:
        return 127, "", str(e)
    return done.returncode, done.stdout, done.stderr
