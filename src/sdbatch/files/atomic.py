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


def create(path: Path, data: bytes) -> bool:
    """Create ``path``, which only one process can; False if it exists. Raises OSError.

    Others may see it before it has its ``data``.
    """
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
