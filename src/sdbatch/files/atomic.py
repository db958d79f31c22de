"""Files that are whole or not there: written under another name in the same folder, then renamed; and files that only
one process can create."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write(path: Path, pieces: Iterable[bytes], temporary: Path | None = None, durable: bool = False) -> None:
    """Make ``path`` hold ``pieces``; if that fails it is as it was. Makes its folder. Raises OSError.

    ``temporary`` is an unused name in the same folder (usually :func:`hidden`). ``durable``: on the disk before it has
    its name, so that a power failure leaves no empty file.
    """
    part = temporary or hidden(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as f:
            f.writelines(pieces)
            f.flush()
            if durable:
                os.fsync(f.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def create(path: Path, data: bytes, temporary: Path) -> bool:
    """Create ``path`` with ``data``, which only one process can; False if it exists. Raises OSError.

    ``temporary`` is an unused name on the same file system.
    """
    try:
        temporary.write_bytes(data)
        return link(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def link(source: Path, path: Path) -> bool:
    """Give the file ``source`` a second name, which only one process can; False if ``path`` exists. Raises OSError.

    A file system without hard links gets a copy, which others may see before it is written.
    """
    try:
        os.link(source, path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise
    except OSError:  # each system has an error of its own for this; any other error comes again
        return _copy(source.read_bytes(), path)
    return True


def _copy(data: bytes, path: Path) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
    return True


def hidden(path: Path) -> Path:
    """``.<name>.<pid>.part`` beside ``path``; a name that is hidden already keeps its beginning."""
    return path.with_name(f".{path.name.lstrip('.')}.{os.getpid()}.part")
