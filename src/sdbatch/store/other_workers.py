"""What other processes finish in the same folder meanwhile: their lines, read from where the last look ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sdbatch.store.record import Record, parse


class OtherWorkers:
    """Follows ``manifest`` (replaced, and then read anew, when someone compacts) and the files that ``workers`` names,
    but for ``own``, from the moment it is made; ``intact`` says whether the file of a done record is there."""

    def __init__(
        self,
        manifest: Path,
        workers: Callable[[], Iterable[Path]],
        intact: Callable[[Record], bool],
        own: Path | None = None,
    ) -> None:
        self.own = own
        self._manifest = manifest
        self._workers = workers
        self._intact = intact
        self._seen: dict[Path, tuple[int, int]] = {}  # inode and how far it was read
        for path in self._sources():
            with suppress(OSError):
                s = path.stat()
                self._seen[path] = (s.st_ino, s.st_size)

    def poll(self) -> Iterator[Record]:
        """Records written since the last call: of finished jobs, and of those that failed just now."""
        for path in self._sources():
            with suppress(OSError):
                yield from self._read(path)

    def _sources(self) -> list[Path]:
        return [self._manifest, *(path for path in self._workers() if path != self.own)]

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
                if (record := parse(line)) is not None and self._counts(record, path):
                    yield record
        self._seen[path] = (now.st_ino, at)

    def _counts(self, record: Record, path: Path) -> bool:
        """A failure in the manifest may be an old one, which is being tried again."""
        return self._intact(record) if record.done else path != self._manifest
