"""Whose turn it is to do something that one process of a folder does for all, such as the page.

    .turn-<name>.<n>   the path of a heartbeat file without its suffix, relative to the folder

The file of the highest number counts, while the process that it names lives; then others may create the next one, and
only one of them can. The last process of the folder removes the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sdbatch import files
from sdbatch.files import atomic
from sdbatch.store.heartbeat import STALE, liveness
from sdbatch.store.worker_state import Liveness

_PREFIX = ".turn-"
_OWNER = re.compile(r"\.[\w-]+/\w+")  # what a file may say
_NOBODY = "-"


class Turn:
    """The turn ``name`` in the folder ``root``.

    ``heartbeat``: the files of this process, without their suffix. ``now``: the clock of the file system; raises
    OSError once this process has left.
    """

    def __init__(self, root: Path, name: str, heartbeat: Path, now: Callable[[], float]) -> None:
        self._root = root
        self._name = name
        self._own = heartbeat.relative_to(root).as_posix()
        self._part = heartbeat.with_name(f"{heartbeat.name}.turn-{name}")
        self._now = now

    def take(self) -> bool:
        """Whether it is the turn of this process, from now on if no other living process has it. Raises StoreError."""
        try:
            now = self._now()
        except OSError:
            return False
        if last := self._last():
            owner = _read(self._path(last))
            if owner == self._own:
                return True
            if self._lives(owner, last, now):
                return False
        path = self._path(last + 1)
        with files.store_errors(path):
            return atomic.create(path, self._own.encode(), self._part)

    def held(self) -> bool:
        """Whether it still is: another process takes the turn of one that was suspended for a minute."""
        last = self._last()
        return last > 0 and _read(self._path(last)) == self._own

    def release(self) -> None:
        """Let another process have the turn, now. Its file stays, so that numbers only grow."""
        with suppress(OSError):
            if self.held():
                atomic.write(self._path(self._last()), [_NOBODY.encode()], self._part)

    def _path(self, n: int) -> Path:
        return self._root / f"{_PREFIX}{self._name}.{n}"

    def _last(self) -> int:
        """The highest number, or 0."""
        suffixes = [path.suffix[1:] for path in self._root.glob(f"{_PREFIX}{self._name}.*")]
        return max((int(n) for n in suffixes if n.isdecimal()), default=0)

    def _lives(self, owner: str, n: int, now: float) -> bool:
        if owner:
            return bool(_OWNER.fullmatch(owner)) and liveness(self._root / owner, now) is Liveness.ALIVE
        with suppress(OSError):  # it has just created the file, or died before it could write
            return now - self._path(n).stat().st_mtime <= STALE
        return True


def paths(root: Path) -> list[Path]:
    """The files of all turns."""
    return list(root.glob(f"{_PREFIX}*"))


def _read(path: Path) -> str:
    with suppress(OSError), path.open("rb") as f:
        return f.read(256).decode("ascii", "replace")
    return ""
