"""Atomic writes, file locks, and OSErrors as messages for users.

Does not depend on what the files contain.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from sdbatch.errors import StoreError

if sys.platform != "win32":
    import fcntl

TEMPORARY = ".tmp-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def digest(data: bytes) -> str:
    """The BLAKE2b digest of a file's bytes, ``b2:`` and 32 hex digits; equals ``media.png.file_digest``."""
    return f"b2:{blake2b(data, digest_size=16).hexdigest()}"


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
    """Write ``pieces`` to ``path`` atomically: first to ``temporary`` in the same folder, then rename.

    ``durable``: call fsync before the rename. Raises StoreError; then ``temporary`` is removed.
    """
    make_folder(path.parent)
    with store_errors(path):
        try:
            with temporary.open("wb") as f:
                f.writelines(pieces)
                f.flush()
                if durable:
                    os.fsync(f.fileno())
            temporary.replace(path)
        except BaseException:
            remove(temporary)
            raise


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


def try_lock(fd: int, wait: bool = False) -> bool:
    """Take an exclusive lock that is released when the process ends; ``wait``: block until it is free.

    Returns False if another process holds it, or if the platform or the file system does not support locks.
    """
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_same_file(fd: int, path: Path) -> bool:
    """Whether the open file ``fd`` is the file at ``path``: another process may have removed that before the lock."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path``, which is removed afterwards. Yields False where locks are not supported."""
    while True:
        make_folder(path.parent)
        with store_errors(path):
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except FileNotFoundError:  # another process removed the empty folder in between
                continue
        held = try_lock(fd, wait=True)
        if not held or is_same_file(fd, path):
            break
        os.close(fd)
    try:
        yield held
    finally:
        remove(path)
        os.close(fd)
