"""Reads a picture file: its digest and size, or its pixels. Whatever is wrong with it is a ValueError."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdbatch.files import digest
from sdbatch.pictures import decode
from sdbatch.spec.pictures import InputPicture

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def read(path: Path) -> InputPicture:
    """The picture in the file ``path``. Raises ValueError, without the name of the file."""
    found = version(path)
    name, width, height = _read(path, found.st_size, found.st_mtime_ns)
    return InputPicture(name, str(path), width, height)


def version(path: Path) -> os.stat_result:
    """The size of a file and when it was changed. Raises ValueError."""
    try:
        return path.stat()
    except (OSError, ValueError) as e:
        raise ValueError(f"cannot be read: {getattr(e, 'strerror', None) or e}") from None


def pixels(path: Path, wanted: str) -> NDArray[np.uint8]:
    """The pixels (height, width, 3 or 4), read-only, of the file with the digest ``wanted``. Raises ValueError."""
    data = _bytes(path)
    if digest(data) != wanted:
        raise ValueError("has been changed since this run began")
    found = decode.decode(data)
    found.setflags(write=False)  # the array is shared
    return found


@lru_cache(maxsize=100_000)
def _read(path: Path, size: int, changed: int) -> tuple[str, int, int]:
    """(digest, width, height); the other arguments say which version of the file that is."""
    data = _bytes(path)
    return digest(data), *decode.size(data)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > decode.MAX_BYTES:
            raise ValueError(f"is larger than {decode.MAX_BYTES // 2**20} MiB")
        if not path.is_file():
            raise ValueError("is not a file")
        return path.read_bytes()
    except OSError as e:
        raise ValueError(f"cannot be read: {e.strerror or e}") from None
