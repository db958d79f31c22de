"""One process that writes into an experiment's folder: complete files first, then their records.

Its lines go to manifest/<generation>-<shard>-<token>.jsonl, which is locked while the process lives. A file that is not
locked was left by a dead process, and any process may merge it. Generations order workers without a clock.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from types import TracebackType

from sdbatch import files
from sdbatch.store.record import Record

_NAME = re.compile(r"(\d+)-\w+-(\w+)\.jsonl")


class Worker:
    """A writer; made by ``Store.worker``. Thread-safe. Raises StoreError."""

    def __init__(self, folder: Path, shard: int = 0, durable: bool = True) -> None:
        self.durable = durable
        self.token = secrets.token_hex(4)
        self._numbers = count()
        self._lock = threading.Lock()
        self._torn = False
        self.path, self._fd = _open(folder, f"{shard}-{self.token}")

    def save(self, path: Path, pieces: Iterable[bytes]) -> None:
        """Write a file atomically. Raises StoreError."""
        files.write(path, pieces, self.temporary(path), self.durable)

    def temporary(self, path: Path) -> Path:
        """An unused name in the folder of ``path``, with its suffix, for ``publish``."""
        return path.with_name(f"{files.TEMPORARY}{self.token}-{next(self._numbers)}{path.suffix}")

    def publish(self, temporary: Path, path: Path) -> None:
        files.publish(temporary, path, self.durable)

    def record(self, record: Record) -> None:
        """Append one line in one write. Raises StoreError."""
        line = record.line()
        with self._lock, files.store_errors(self.path):
            line = b"\n" + line if self._torn else line
            self._torn = True
            written = os.write(self._fd, line)
            if written < len(line):
                os.write(self._fd, line[written:])  # a full disk writes a part and fails at the next write
            self._torn = False

    def probe(self, folder: Path) -> None:
        """Raise StoreError if ``folder`` cannot be written: a failing encoder does not report the cause."""
        path = self.temporary(folder / "probe")
        files.write(path, [bytes(1 << 18)], path, durable=True)
        files.remove(path)

    def close(self) -> None:
        """Release the lock. The file stays until a process compacts."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def token_of(path: Path) -> str:
    """The token in a worker file's name, or the empty string."""
    found = _NAME.fullmatch(path.name)
    return found[2] if found else ""


def generation(names: Iterable[Path]) -> int:
    """One more than the largest generation of worker files."""
    return 1 + max((int(m[1]) for p in names if (m := _NAME.fullmatch(p.name))), default=0)


def _open(folder: Path, name: str) -> tuple[Path, int]:
    while True:
        files.make_folder(folder)
        with files.store_errors(folder):
            try:
                path = folder / f"{generation(folder.iterdir()):06d}-{name}.jsonl"
                fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
            except FileNotFoundError:  # another process compacted and removed the empty folder
                continue
        if not files.try_lock(fd, wait=True) or files.is_same_file(fd, path):
            return path, fd
        os.close(fd)  # another process removed it before we had the lock
