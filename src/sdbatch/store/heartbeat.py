"""The heartbeat file of a running process: touched every few seconds, and locked while the process lives.

Age is measured by the clock of the file system, so hosts that share a folder need no common clock. Locks are trusted
only on the machine that holds them, because many network file systems keep them local.
"""

from __future__ import annotations

import os
import platform
import threading
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from sdbatch import files
from sdbatch.errors import StoreError

BEAT = 5.0  # seconds between heartbeats
STALE = 60.0  # seconds without a heartbeat after which a process is considered dead
ALIVE, ENDED = ".alive", ".ended"


class Liveness(StrEnum):
    """The state of a process."""

    ALIVE = "alive"
    ENDED = "ended"  # it ended normally
    GONE = "gone"  # it died, or was interrupted


class Heartbeat:
    """``stem`` is the path of the file without its suffix. Raises StoreError if it cannot be written."""

    def __init__(self, stem: Path) -> None:
        self._path = stem.with_name(stem.name + ALIVE)
        self._fd = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.register()
        self._thread.start()

    def register(self) -> None:
        """Create the file; again if it was removed because this process was considered dead."""
        files.make_folder(self._path.parent)
        with files.store_errors(self._path):
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            files.try_lock(fd, wait=True)
            os.write(fd, _machine().encode())
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd

    def close(self, ended: bool) -> None:
        """Stop the heartbeat. ``ended``: leave a file that marks a normal end."""
        self._stop.set()
        self._thread.join()
        with suppress(OSError):
            if ended:
                self._path.replace(self._path.with_suffix(ENDED))
            else:
                self._path.unlink()
        os.close(self._fd)

    def now(self) -> float:
        """The file system's clock."""
        return touch(self._path)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with suppress(OSError, StoreError):
                try:
                    touch(self._path)
                except FileNotFoundError:  # for example after the machine was suspended
                    self.register()


def touch(path: Path) -> float:
    """Touch an existing file; the time that the file system gave it. Raises OSError."""
    os.utime(path)
    return path.stat().st_mtime


def liveness(stem: Path, now: float) -> Liveness:
    """The state of the process with the files ``stem`` at time ``now`` of their file system."""
    try:
        fd = os.open(stem.with_name(stem.name + ALIVE), os.O_RDWR)
    except OSError:
        return Liveness.ENDED if stem.with_name(stem.name + ENDED).exists() else Liveness.GONE
    try:
        here = os.read(fd, 256).decode("utf-8", "replace") == _machine()
        free = here and files.try_lock(fd, shared=True)
        return Liveness.GONE if free or now - os.fstat(fd).st_mtime > STALE else Liveness.ALIVE
    finally:
        os.close(fd)


def _machine() -> str:
    """An id of this machine since its start. Containers on one machine have the same id, and share its locks."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return platform.node()
