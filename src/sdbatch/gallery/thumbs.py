"""Thumbnails for the page: deterministic JPEGs with the digest of their pixels in the comment, and where they are."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from sdbatch import video_reader
from sdbatch.media import png
from sdbatch.spec.file_names import fan, fans, is_picture, poster
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Record
from sdbatch.store.listing import names_in

SIDE = 256  # pixels, maximum of both sides
QUALITY = 85
_NAME = re.compile(r"(?:[0-9a-f]{2}/)?(j[0-9a-f]{16})\.jpg")


@dataclass(frozen=True, slots=True)
class ThumbFolder:
    """The thumbnails of a page. ``spread``: in 256 folders, as the pictures of large plans are."""

    root: Path
    spread: bool

    def name(self, job_id: str) -> str:
        """The path of a job's thumbnail, relative to the folder."""
        return str(PurePosixPath(fan(job_id) if self.spread else "", f"{job_id}.jpg"))

    def path(self, job_id: str) -> Path:
        return self.root / self.name(job_id)

    def names(self) -> set[str]:
        """All files, relative to the folder."""
        inside = fans(self.root)
        found = set(names_in([self.root]) - {folder.name for folder in inside})
        for folder in inside:
            found.update(f"{folder.name}/{name}" for name in names_in([folder]))
        return found

    def arrange(self) -> None:
        """Move thumbnails to where this page shows them: the plan may have grown, and earlier versions did not spread
        them."""
        for name in self.names():
            if (found := _NAME.fullmatch(name)) and name != self.name(found[1]):
                path = self.path(found[1])
                with suppress(OSError):
                    path.parent.mkdir(exist_ok=True)
                    (self.root / name).replace(path)


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
