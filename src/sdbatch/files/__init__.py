"""Atomic writes, file locks, and OSErrors as messages for users.

Does not depend on what the files contain. ``archive``: folders and ZIP files from anywhere, and a ZIP of equal bytes.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from filelock import BaseFileLock, FileLock

from sdbatch.errors import StoreError
from sdbatch.files import atomic

TEMPORARY = ".tmp-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def digest(data: bytes) -> str:
    """The BLAKE2b digest of a file's bytes, ``b2:`` and 32 hex digits; of a whole file: ``file_digest``."""
    return f"b2:{blake2b(data, digest_size=16).hexdigest()}"


def file_digest(path: Path | str) -> str:
    """``b2:`` + 32 hex digits (BLAKE2b) over a file's bytes. Raises OSError."""
    with Path(path).open("rb") as f:
        return f"b2:{hashlib.file_digest(f, lambda: blake2b(digest_size=16)).hexdigest()}"


def store_error(error: OSError, path: Path) -> StoreError:
    """``error`` as a StoreError about ``path``, with what the user can do."""
    if error.errno in _FULL:
        return StoreError(
            f"{path}: no space left on the disk; free some space, then run the same command again to resume"
        )
    if error.errno in _DENIED:
        return StoreError(f"{path}: cannot be written ({error.strerror}); check the folder's owner and mount")
    return StoreError(f"{path}: {error.strerror or error}")


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Convert OSErrors in the block to StoreErrors about ``path``."""
    try:
        yield
    except OSError as e:
        raise store_error(e, path) from e


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents. Raises StoreError."""
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write(path: Path, pieces: Iterable[bytes], temporary: Path, durable: bool = True) -> None:
    """Write ``pieces`` as ``path`` by way of ``temporary`` in the same folder: whole, or not at all."""
    with store_errors(path):
        atomic.write(path, pieces, temporary, durable)


def replace(path: Path, data: bytes, temporary: Callable[[], Path] | None = None, durable: bool = True) -> None:
    """As ``write``, under a name that no other process uses, and that ``Store.compact`` removes if this one dies."""
    name = temporary or (lambda: _unused(path))
    try:
        write(path, [data], name(), durable)
    except StoreError:  # another process ended and removed our temporary file as an orphan
        write(path, [data], name(), durable)


def create(path: Path, data: bytes) -> bool:
    """Create ``path`` with ``data``, which only one process can; False if it exists. Otherwise as ``replace``."""
    with store_errors(path):
        try:
            return atomic.create(path, data, _unused(path))
        except FileNotFoundError:  # another process ended and removed our temporary file as an orphan
            return atomic.create(path, data, _unused(path))


def _unused(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-0{path.suffix}")


def publish(temporary: Path, path: Path, durable: bool = True) -> None:
    """Rename the complete file ``temporary`` to ``path``, after fsync if ``durable``. Raises StoreError."""
    with store_errors(path):
        if durable:
            with temporary.open("rb") as f:
                os.fsync(f.fileno())
        temporary.replace(path)


def remove(path: Path) -> None:
    """Remove ``path`` if possible; errors are ignored."""
    with suppress(OSError):
        path.unlink()


def try_lock(fd: int, wait: bool = False, shared: bool = False) -> bool:
    """A lock that ends with the process, exclusive or ``shared``. False if another process holds it or the file system
    has no locks."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def held_elsewhere(fd: int) -> bool:
    """Take the exclusive lock of ``fd``; whether another process holds it. False on a file system without locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        return isinstance(e, BlockingIOError | PermissionError)
    return False


def is_same_file(fd: int, path: Path) -> bool:
    """Whether the open file ``fd`` is the file at ``path``: another process may have removed that before the lock."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path``, removed afterwards. Gives False where the file system knows no locks."""
    lock = FileLock(path, fallback_to_soft=False)
    held = _acquired(lock, path)
    try:
        yield held
    finally:
        remove(path)  # while it is held: a waiting process notices that and creates it again
        lock.release()


def _acquired(lock: BaseFileLock, path: Path) -> bool:
    while True:
        make_folder(path.parent)
        try:
            lock.acquire(poll_interval=0.02)
            return True
        except FileNotFoundError:  # another process removed the empty folder in between
            continue
        except OSError as e:
            if e.errno in _NO_LOCKS:
                return False
            raise store_error(e, path) from e
