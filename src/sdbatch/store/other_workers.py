"""The results of other processes in the same folder: reads the lines that they have written since the last poll."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sdbatch.store.record import Record, parse


class OtherWorkers:
    """Follows ``manifest`` and the files that ``workers`` returns, except ``own``, from its creation on.

    Compaction replaces the manifest, which is then read again from the start; the files of workers only grow.
    ``intact``: whether a record's file exists.
    """

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
        self._seen: dict[Path, tuple[tuple[int, ...], int]] = {}  # version, and bytes that were read
        for path in self._sources():
            with suppress(OSError):
                s = path.stat()
                self._seen[path] = (self._version(path, s), s.st_size)

    def poll(self) -> Iterator[Record]:
        """Records written since the last call: of done jobs, and of jobs that have failed during this run."""
        for path in self._sources():
            with suppress(OSError):
                yield from self._read(path)

    def _sources(self) -> list[Path]:
        return [self._manifest, *(path for path in self._workers() if path != self.own)]

    def _read(self, path: Path) -> Iterator[Record]:
        version, at = self._seen.get(path, ((), 0))
        with path.open("rb") as f:
            now = self._version(path, os.fstat(f.fileno()))
            at = at if now == version else 0
            f.seek(at)
            for line in f:
                if not line.endswith(b"\n"):
                    break  # being written
                at += len(line)
                if (record := parse(line)) is not None and self._counts(record, path):
                    yield record
        self._seen[path] = (now, at)

    def _version(self, path: Path, s: os.stat_result) -> tuple[int, ...]:
        """Equal as long as no other file takes the place of ``path``; some file systems reuse inode numbers."""
        return (s.st_ino, s.st_mtime_ns, s.st_size) if path == self._manifest else (s.st_ino,)

    def _counts(self, record: Record, path: Path) -> bool:
        """Whether to report ``record``. Failures in the manifest may be old ones that are retried now."""
        return self._intact(record) if record.done else path != self._manifest
