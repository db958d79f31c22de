"""What other processes finish in the same folder meanwhile: their lines, read from where the last look ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sdbatch.store.record import Record, parse


class OtherWorkers:
    """``sources`` names the files to follow: manifest.jsonl (replaced, and then read anew, when someone compacts) and
    worker files; ``intact`` says whether the file of a done record is there."""

    def __init__(self, sources: Callable[[], Iterable[Path]], intact: Callable[[Record], bool]) -> None:
        self._sources = sources
        self._intact = intact
        self._seen: dict[Path, tuple[int, int]] = {}  # inode and how far it was read
        for path in sources():
            with suppress(OSError):
                s = path.stat()
                self._seen[path] = (s.st_ino, s.st_size)

    def poll(self) -> Iterator[Record]:
        """Records of finished jobs written since the last call."""
        for path in self._sources():
            with suppress(OSError):
                yield from self._read(path)

    def _read(self, path: Path) -> Iterator[Record]:
        inode, at = self._seen.get(path, (0, 0))
        with path.open("rb") as f:
            now = os.fstat(f.fileno())
            at = at if now.st_ino == inode else 0
            f.seek(at)
            for line in f:
                if not line.endswith(b"\n"):
                    break  # being written
                at += len(line)
                if (record := parse(line)) is not None and record.done and self._intact(record):
                    yield record
        self._seen[path] = (now.st_ino, at)
