"""The heartbeat file of a running process: written every few seconds, and locked while the process lives.

Age is measured by the clock of the file system, so hosts that share a folder need no common clock. Locks are trusted
only on the machine that holds them, because many network file systems keep them local.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sdbatch import files
from sdbatch.errors import StoreError
from sdbatch.store import worker_state
from sdbatch.store.worker_state import SIZE, Liveness, Report, WorkerState

BEAT = 5.0  # seconds between heartbeats
STALE = 60.0  # seconds without a heartbeat after which a process is considered dead
ALIVE, ENDED, LEFT = ".alive", ".ended", ".left"
_CLOCK = "clock"  # a file that readers touch


class Heartbeat:
    """``stem`` is the path of the file without its suffix. Raises StoreError if it cannot be written.

    ``report`` is what the file says; changes appear with the next beat.
    """

    def __init__(self, stem: Path) -> None:
        self.report = worker_state.about_us()
        self._path = stem.with_name(stem.name + ALIVE)
        self._fd = -1  # -1: closed
        self._lock = threading.Lock()  # of _fd, whose number gets another meaning once it is closed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.register()
        self._thread.start()

    def register(self) -> None:
        """Create the file; again if it was removed because this process was considered dead."""
        with self._lock:
            if files.is_same_file(self._fd, self._path):  # another thread was faster
                return
            while True:
                files.make_folder(self._path.parent)
                # Others remove the folder, or the new file in it, if they do not see us yet.
                with files.store_errors(self._path), suppress(FileNotFoundError):
                    self._replace(self._create())
                    return

    def _create(self) -> int:
        """Others see the file locked and written, or not at all. Raises OSError."""
        part = self._path.with_suffix(".new")
        fd = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            files.try_lock(fd, wait=True)
            self.report.started = self.report.started or touch(part)
            os.pwrite(fd, self.report.data(), 0)
            part.replace(self._path)
        except BaseException:
            os.close(fd)  # the next beat waits for its lock
            files.remove(part)
            raise
        return fd

    def _replace(self, fd: int) -> None:
        """Close the file, if it is open, and use ``fd`` from now on. Call it with the lock held."""
        old, self._fd = self._fd, fd
        if old >= 0:
            os.close(old)

    def close(self, ended: bool) -> None:
        """Stop the heartbeat. ``ended``: all claimed work is done or has failed; else others may take it over.

        The last report stays until the folder is removed. A second call does nothing.
        """
        if self._fd < 0:
            return
        self._stop.set()
        self._thread.join()
        self.write()
        with suppress(OSError):
            self._path.replace(self._path.with_suffix(ENDED if ended else LEFT))
        with self._lock:
            self._replace(-1)

    def write(self) -> None:
        """Write the report now. On a full disk it stays as it was."""
        with self._lock, suppress(OSError):
            os.pwrite(self._fd, self.report.data(), 0)

    def now(self) -> float:
        """The file system's clock."""
        return touch(self._path)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            self.write()
            with suppress(OSError, StoreError):
                try:
                    touch(self._path)
                except FileNotFoundError:  # for example after the machine was suspended
                    self.register()


def touch(path: Path) -> float:
    """Touch an existing file; the time that the file system gave it. Raises OSError."""
    os.utime(path)
    return path.stat().st_mtime


def clock(path: Path) -> float:
    """The time of the file system, from a file made for it, which others may remove meanwhile. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.utime(fd)
        return os.fstat(fd).st_mtime
    finally:
        os.close(fd)


def liveness(stem: Path, now: float, stale: float = STALE) -> Liveness:
    """The state of the process with the files ``stem`` at time ``now`` of their file system.

    ``stale``: seconds without a heartbeat after which it counts as dead.
    """
    try:
        fd = os.open(stem.with_name(stem.name + ALIVE), os.O_RDONLY)
    except OSError:
        return Liveness.ENDED if stem.with_name(stem.name + ENDED).exists() else Liveness.GONE
    try:
        here = worker_state.parse(os.read(fd, SIZE)).machine == worker_state.machine()
        free = here and files.try_lock(fd, shared=True)
        return Liveness.GONE if free or now - os.fstat(fd).st_mtime > stale else Liveness.ALIVE
    finally:
        os.close(fd)


def states(folder: Path, scope: str) -> Iterator[WorkerState]:
    """The processes with heartbeat files in ``folder``, in the order of their starts."""
    found = [_read(path) for path in folder.glob("*.*") if path.suffix in (ALIVE, ENDED, LEFT)]
    read = sorted((r for r in found if r is not None), key=lambda r: (r[2].started, r[0].name))
    now = now_in(folder, [seen for _, seen, _ in read]) if read else 0.0
    for path, seen, report in read:
        state = liveness(path.with_suffix(""), now)
        seconds = max(0.0, seen - report.started) if report.started else 0.0
        age = max(0.0, now - seen)
        yield WorkerState(path.stem, scope, state, age, seconds, report, path.suffix == LEFT)


def _read(path: Path) -> tuple[Path, float, Report] | None:
    """A heartbeat file, the time of its last beat, and its report; None if it is gone."""
    try:
        with path.open("rb") as f:
            return path, os.fstat(f.fileno()).st_mtime, worker_state.parse(f.read(SIZE))
    except OSError:
        return None


def now_in(folder: Path, beats: list[float]) -> float:
    """The file system's clock; in a folder that cannot be written, the time of the latest of ``beats``, or 0."""
    try:
        return clock(folder / _CLOCK)
    except OSError:
        return max(beats, default=0.0)
