"""Users' videos: what a file contains, and its frames at a constant rate, decoded as a stream.

Files are untrusted; whatever is wrong with them is a ValueError, without the name of the file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdbatch import video_reader
from sdbatch.files import file_digest
from sdbatch.spec.limits import CLIP_FRAMES
from sdbatch.spec.pictures import Clip, InputPicture

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".gif")
KINDS = "MP4, MOV, MKV, WebM, GIF"
MAX_BYTES = 8 * 2**30
KEPT = 2**28  # bytes of decoded frames in memory


def read(path: Path) -> InputPicture:
    """The video in the file ``path``, as its first frame. Raises ValueError."""
    try:
        found = path.stat()
    except (OSError, ValueError) as e:
        raise ValueError(f"cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if not path.is_file():
        raise ValueError("is not a file")
    if found.st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 2**30} GiB")
    digest, (width, height), clip = _read(path, found.st_size, found.st_mtime_ns)
    return InputPicture(digest, str(path), width, height, 0, clip)


@lru_cache(maxsize=64)
def _read(path: Path, size: int, changed: int) -> tuple[str, tuple[int, int], Clip]:
    """(digest, size, length); the other arguments say which version of the file that is."""
    try:
        facts, shape = video_reader.probe(path), video_reader.upright(path)
        digest = file_digest(path)
    except OSError as e:  # also: there is no ffmpeg
        raise ValueError(f"cannot be read: {e.strerror or e}") from None
    except ValueError as e:
        raise ValueError(f"is not a video that can be read ({KINDS}): {str(e).removeprefix('damaged video: ')}") from e
    if facts.frames > CLIP_FRAMES or not 0.01 <= facts.fps <= 1000:
        raise ValueError(f"has {facts.frames:,} frames at {float(facts.fps):g} per second")
    return digest, shape, Clip(facts.frames, round(float(facts.fps), 6))


class Frames:
    """The frames of the video in ``path``, which has ``digest``. Going back begins again. Thread-safe."""

    def __init__(self, path: Path, digest: str) -> None:
        try:
            own = file_digest(path)
        except OSError as e:
            raise ValueError(f"cannot be read: {e.strerror or e}") from None
        if own != digest:
            raise ValueError("has been changed since this run began")
        facts = video_reader.probe(path)
        self._path, self._size, self._rate = path, video_reader.upright(path), facts.fps
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._stream = self._opened()
        self._next = 0

    def __getitem__(self, n: int) -> NDArray[np.uint8]:
        """Frame ``n`` (height, width, 3), read-only; past the end the last one. Raises ValueError."""
        with self._lock:
            if n not in self._kept and n < self._next:
                self.close()
                self._kept.clear()
                self._stream, self._next = self._opened(), 0
            while n >= self._next and (pixels := next(self._stream, None)) is not None:
                self._keep(pixels)
            if not self._kept:
                raise ValueError("has no frames")
            return self._kept[min(n, self._next - 1)]

    def close(self) -> None:
        """End the decoder."""
        self._stream.close()

    def _opened(self) -> Generator[NDArray[np.uint8]]:
        return video_reader.at_rate(self._path, self._size, self._rate)

    def _keep(self, pixels: NDArray[np.uint8]) -> None:
        pixels.setflags(write=False)
        self._kept[self._next] = pixels
        self._next += 1
        while len(self._kept) > max(2, KEPT // pixels.nbytes):
            self._kept.popitem(last=False)
