"""The pixels of users' pictures, from their files. A file that has changed since it was digested is refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sdbatch.errors import RenderError
from sdbatch.pictures.read import pixels
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Pixels

MAX_DECODED = 8  # pictures in memory


class Inputs:
    """``files``: where pictures are, by digest; others are where they were found."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._decode = lru_cache(maxsize=MAX_DECODED)(pixels)

    def pixels(self, picture: InputPicture) -> Pixels:
        """The pixels (height, width, 3 or 4), read-only. Raises RenderError."""
        path = self._files.get(picture.digest) or Path(picture.path)
        try:
            return self._decode(path, picture.digest)
        except ValueError as e:
            raise RenderError(f"the picture {path}: it {e}") from e
