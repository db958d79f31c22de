"""Users' videos: what a file or a folder of pictures contains, and the frames of a file at a constant rate, decoded as
a stream.

Files are untrusted; whatever is wrong with them is a ValueError, without the name of the file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdbatch import video_reader
from sdbatch.files import file_digest
from sdbatch.pictures.read import version
from sdbatch.spec.limits import CLIP_FRAMES, FOLDER_FRAMES, MAX_PIXELS
from sdbatch.spec.pictures import Clip, InputPicture

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".gif")
KINDS = "MP4, MOV, MKV, WebM, GIF"
MAX_BYTES = 8 * 2**30
KEPT = 2**28  # bytes of decoded frames in memory
DECODERS = 3  # of one video at a time


def read(path: Path) -> InputPicture:
    """The video in the file ``path``, as its first frame. Raises ValueError."""
    found = version(path)
    if not path.is_file():
        raise ValueError("is not a file")
    if found.st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 2**30} GiB")
    digest, (width, height), clip = _read(path, found.st_size, found.st_mtime_ns)
    return InputPicture(digest, str(path), width, height, frame=0, clip=clip)


def of_pictures(found: Sequence[InputPicture], folder: str, rate: Fraction) -> InputPicture:
    """The video whose frames are the pictures ``found`` in ``folder``, in this order. Raises ValueError."""
    first = found[0]
    if len(found) > FOLDER_FRAMES:
        raise ValueError(f"has {len(found):,} pictures; at most {FOLDER_FRAMES:,} can be the frames of a video")
    for one in found:
        if (one.width, one.height) != (first.width, first.height):
            name, size = Path(one.path).name, f"{first.width} x {first.height}"
            raise ValueError(f"has frames of two sizes: {name} has {one.width} x {one.height} pixels, others {size}")
    files = tuple(one.digest for one in found), tuple(one.path for one in found)
    return InputPicture(
        first.digest, folder, first.width, first.height, clip=Clip(len(found), round(float(rate), 9), *files)
    )


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
    if shape[0] * shape[1] > MAX_PIXELS:
        raise ValueError(f"has frames of {shape[0]} x {shape[1]} pixels; at most {MAX_PIXELS:,} are read")
    return digest, shape, Clip(facts.frames, round(float(facts.fps), 9))


class Frames:
    """The frames of the video in ``path``, which has ``digest``, in any order. Thread-safe.

    Films that are rendered together are at different places, so a few decoders stay open. What lies before all of them
    is decoded from the beginning.
    """

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
        self._streams: list[_Stream] = []  # the last used one is the last
        self._end = CLIP_FRAMES  # the first frame that does not exist or cannot be decoded, when that is known
        self._damage = ""

    def __getitem__(self, n: int) -> NDArray[np.uint8]:
        """Frame ``n`` (height, width, 3), read-only; past the end the last one. Raises ValueError."""
        with self._lock:
            while (wanted := self._reachable(n)) not in self._kept:
                self._decode(wanted)
            return self._kept[wanted]

    def close(self) -> None:
        """End the decoders."""
        while self._streams:
            self._streams.pop().frames.close()

    def _reachable(self, n: int) -> int:
        if n < self._end:
            return n
        if self._damage or not self._end:
            raise ValueError(self._damage or "has no frames")
        return self._end - 1

    def _decode(self, n: int) -> None:
        """Decode up to frame ``n``, or to the end."""
        stream = self._stream(n)
        try:
            while stream.next <= n and (pixels := next(stream.frames, None)) is not None:
                self._keep(stream.next, pixels)
                stream.next += 1
        except ValueError as e:
            self._damage = str(e)
        if stream.next <= n:
            self._end = stream.next
            self._streams.remove(stream)

    def _stream(self, n: int) -> _Stream:
        """The nearest decoder before frame ``n``."""
        before = [stream for stream in self._streams if stream.next <= n]
        if before:
            found = max(before, key=lambda stream: stream.next)
            self._streams.remove(found)
        else:
            found = _Stream(video_reader.at_rate(self._path, self._size, self._rate))
        self._streams.append(found)
        if len(self._streams) > DECODERS:
            self._streams.pop(0).frames.close()
        return found

    def _keep(self, n: int, pixels: NDArray[np.uint8]) -> None:
        pixels.setflags(write=False)
        self._kept[n] = pixels
        while len(self._kept) > max(2, KEPT // pixels.nbytes):
            self._kept.popitem(last=False)


@dataclass(eq=False, slots=True)
class _Stream:
    """A decoder: ``next`` is the number of the frame that it gives next."""

    frames: Generator[NDArray[np.uint8]]
    next: int = 0
