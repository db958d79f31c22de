"""Thumbnails for the page: deterministic JPEGs with the digest of their pixels in the comment."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from sdbatch.media import png, video_reader
from sdbatch.spec.file_names import is_picture, poster
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Record

SIDE = 256  # pixels, maximum of both sides
QUALITY = 85


def encode(pixels: Pixels, digest: str) -> bytes:
    """The thumbnail of ``pixels`` (height, width, 3), whose digest is ``digest``, as JPEG."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=1.0)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, comment=digest.encode("ascii", "replace"))
    return out.getvalue()


def shows(path: Path, digest: str) -> bool:
    """Whether the file at ``path`` is the thumbnail of the pixels with ``digest``."""
    try:
        with path.open("rb") as f:
            return digest.encode("ascii", "replace") in f.read(128)
    except OSError:
        return False


def load(file: Path) -> Pixels:
    """What a thumbnail of ``file`` shows: the picture, or a video's poster or first frame. ValueError if damaged."""
    picture = file if is_picture(file) else poster(file)
    if is_picture(file) or picture.is_file():
        return png.decode(picture)
    for pixels in video_reader.decode(file):
        return pixels
    raise ValueError(f"{file.name} contains no frame")


def make(record: Record, file: Path, pixels: Pixels | None = None) -> bytes:
    """The thumbnail of a finished job, from ``pixels`` or its file. Raises ValueError if the file is damaged."""
    return encode(load(file) if pixels is None else pixels, record.pixels)
