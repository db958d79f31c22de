"""The hidden folders of claims of an experiment: which processes live in them, and what is removed when none does."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sdbatch import files
from sdbatch.store import heartbeat, run_file, turn
from sdbatch.store.heartbeat import ALIVE, clock, liveness, now_in
from sdbatch.store.worker_state import Liveness, WorkerState

PREFIX = ".claims-"
LOCK = "lock"


def folders(root: Path) -> list[Path]:
    """The folders of claims of an experiment; empty if no process is running or has died."""
    return sorted(path for path in root.glob(f"{PREFIX}*") if path.is_dir())


def workers(root: Path) -> list[WorkerState]:
    """The processes that render the experiment now, and those of the same runs that have ended or died."""
    found = [(folder, folder.name.removeprefix(PREFIX)) for folder in folders(root)]
    return [state for folder, scope in found for state in heartbeat.states(folder, scope)]


def alive(root: Path, tokens: Iterable[str]) -> set[str]:
    """Those of the processes ``tokens`` that have a heartbeat."""
    found = [(folder, now_in(folder, [])) for folder in folders(root)]
    return {t for t in tokens if any(liveness(folder / t, now) is Liveness.ALIVE for folder, now in found)}


def is_active(folder: Path, but: str = "") -> bool:
    """Whether a process other than ``but`` (a token) is alive. Call it with the lock held."""
    now = clock(folder / LOCK)
    return any(liveness(p.with_suffix(""), now) is Liveness.ALIVE for p in folder.glob(f"*{ALIVE}") if p.stem != but)


def leftovers(root: Path) -> bool:
    """Whether a process is running or has died: there are claims, turns, or what a run agreed on."""
    return bool(folders(root) or run_file.paths(root) or turn.paths(root))


def clear(root: Path) -> None:
    """Remove the claims of scopes without running processes, and what only they used. Raises OSError, StoreError."""
    turns = turn.paths(root)  # first: those that a process creates after the next lines are not in it
    for folder in folders(root):
        with files.locked(folder / LOCK):
            clear_if_unused(folder)
        with suppress(OSError):
            folder.rmdir()
    for path in [*_unused(root), *([] if folders(root) else turns)]:
        files.remove(path)


def clear_if_unused(folder: Path) -> None:
    """Empty ``folder`` if no process lives in it. Its lock, which is held, stays: others may be waiting for it."""
    with suppress(FileNotFoundError):  # without file locks another process may have removed it
        found = [] if is_active(folder) else list(folder.iterdir())
        for path in found:
            if path.name != LOCK:
                files.remove(path)


def _unused(root: Path) -> list[Path]:
    """Run files of plans that no process renders."""
    plans = {folder.name.removeprefix(PREFIX).partition("-")[0] for folder in folders(root)}
    return [path for plan, path in run_file.paths(root).items() if plan not in plans]
