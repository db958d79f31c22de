"""The pixels of users' pictures and of frames of their videos. A file that was changed after planning is refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sdbatch.errors import RenderError
from sdbatch.pictures.clips import Frames
from sdbatch.pictures.read import pixels
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Pixels

MAX_DECODED = 8  # pictures in memory
MAX_VIDEOS = 4  # that are being decoded


class Inputs:
    """``files``: where pictures are, by digest; others are where they were found."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._decode = lru_cache(maxsize=MAX_DECODED)(pixels)
        self._video = lru_cache(maxsize=MAX_VIDEOS)(Frames)

    def pixels(self, picture: InputPicture) -> Pixels:
        """The pixels (height, width, 3 or 4), read-only. Raises RenderError."""
        path = self._files.get(picture.digest) or Path(picture.path)
        try:
            if picture.frame is not None:
                return self._video(path, picture.digest)[picture.frame]
            return self._decode(path, picture.digest)
        except (OSError, ValueError) as e:
            raise RenderError(f"the {'picture' if picture.frame is None else 'video'} {path}: it {e}") from e
