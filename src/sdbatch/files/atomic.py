"""Files that are whole or not there: written under another name in the same folder, then renamed."""

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


def hidden(path: Path) -> Path:
    """``.<name>.<pid>.part`` beside ``path``; a name that is hidden already keeps its beginning."""
    return path.with_name(f".{path.name.lstrip('.')}.{os.getpid()}.part")
