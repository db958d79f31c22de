"""Files that are whole or not there: atomic writes, locks that end with their process, errors in words."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
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
    """``b2:`` + 32 hex digits over a file's bytes (what ``media.png.file_digest`` says of the same file)."""
    return f"b2:{blake2b(data, digest_size=16).hexdigest()}"


def trouble(error: OSError, path: Path) -> StoreError:
    """The same in words, with what to do about it."""
    if error.errno in _FULL:
        return StoreError(
            f"{path}: no space left on the disk; free some space, then run the same command again to resume"
        )
    if error.errno in _DENIED:
        return StoreError(f"{path}: cannot be written ({error.strerror}); check the folder's owner and mount")
    return StoreError(f"{path}: {error.strerror or error}")


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """OSErrors inside become StoreErrors about ``path``."""
    try:
        yield
    except OSError as e:
        raise trouble(e, path) from e


def make_folder(folder: Path) -> None:
    with in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write(path: Path, pieces: Iterable[bytes], temporary: Path, durable: bool = True) -> None:
    """Write ``pieces`` as ``path`` by way of ``temporary`` in the same folder: whole, or not at all."""
    with in_words(path):
        atomic.write(path, pieces, temporary, durable)


def publish(temporary: Path, path: Path, durable: bool = True) -> None:
    """``temporary``, written by someone else, becomes ``path``."""
    with in_words(path):
        if durable:
            with temporary.open("rb") as f:
                os.fsync(f.fileno())
        temporary.replace(path)


def remove(path: Path) -> None:
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


def is_at(fd: int, path: Path) -> bool:
    """Whether the open file is still the one at ``path`` (another process may have removed it before we locked it)."""
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
        remove(path)  # while it is held: whoever waits for it finds it gone and makes it anew
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
            raise trouble(e, path) from e
