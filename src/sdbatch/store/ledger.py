"""All records of an experiment, by id. Holds ids and positions in files instead of records, to save memory.

Sources in order: manifest.jsonl, then worker files by generation. Later lines win, but a failure never hides a stored
picture. Damaged lines are counted and skipped; no content raises an error.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sdbatch.store.record import MAX_LINE, Bytes, Outline, Record, outline, parse

_SHIFT = 44  # of the source's number in a position; offsets are below 16 TB
_SMALL = 1 << 16


class Ledger:
    """A mapping of ids to records. ``intact``: whether the file of a done record exists."""

    def __init__(self, sources: Iterable[Path], intact: Callable[[Record], bool]) -> None:
        self.damaged_lines = 0
        self._intact = intact
        self._data: list[Bytes] = []
        self._at: dict[str, int] = {}
        for path in sources:
            with suppress(FileNotFoundError, IsADirectoryError):  # compacted by another process in between
                self._add(_open(path))

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._at

    def get(self, job_id: str) -> Record | None:
        at = self._at.get(job_id)
        return None if at is None else parse(self._line(at))

    def outline(self, job_id: str) -> Outline | None:
        """What most readers need of the record, without parsing all of it; None for unusual records."""
        at = self._at.get(job_id)
        return None if at is None else outline(self._data[at >> _SHIFT], at & ((1 << _SHIFT) - 1), checked=True)

    def line(self, job_id: str) -> bytes:
        """The record's line, without its newline."""
        return self._line(self._at[job_id])

    def records(self) -> Iterator[Record]:
        """Every record, in order of appearance."""
        return (r for r in map(self.get, self._at) if r is not None)

    def _line(self, at: int) -> bytes:
        data, start = self._data[at >> _SHIFT], at & ((1 << _SHIFT) - 1)
        end = data.find(b"\n", start)
        return data[start : end if end >= 0 else len(data)]

    def _add(self, data: Bytes) -> None:
        base, start = len(self._data) << _SHIFT, 0
        self._data.append(data)
        while start < len(data):
            if (usual := outline(data, start)) is not None:
                self._at[usual.id] = base | start
                start = usual.end
                continue
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            line = data[start:end] if end - start <= MAX_LINE else b"?"
            record = parse(line)
            if record is not None:
                self._index(record, base | start)
            elif line.strip():
                self.damaged_lines += 1
            start = end + 1

    def _index(self, record: Record, at: int) -> None:
        if not record.done and (before := self.get(record.id)) is not None and before.done and self._intact(before):
            return
        self._at[record.id] = at


def _open(path: Path) -> Bytes:
    """The content of a file: small files are read, large ones mapped, because each mapping uses a file descriptor."""
    with path.open("rb") as f:
        if os.fstat(f.fileno()).st_size <= _SMALL:
            return f.read()
        return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
