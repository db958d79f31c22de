"""Reads video files: size, rate, metadata, frames. Files are untrusted; all errors in them are ValueErrors."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sdbatch import ffmpeg
from sdbatch.spec.limits import MAX_PIXELS

Pixels = NDArray[np.uint8]
_FLAGS = "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
_OURS = f"scale=in_color_matrix=bt709:in_range=tv:out_range=pc:{_FLAGS},format=rgb24"
_ANY = f"out_range=pc:{_FLAGS},format=rgb24"  # the file says how its colours are coded
_EXACT = ("-flags:v", "+bitexact", "-idct:v", "simple")  # decoders of older codecs would choose by processor
_LINE = re.compile(r"(?:[^\\\n]|\\[\s\S])+")  # of ffmpeg's metadata format, where a backslash continues a line


class Facts(NamedTuple):
    """The properties of a video; ``fps`` is exact in MP4, approximate in containers with a coarse clock."""

    width: int
    height: int
    fps: Fraction
    frames: int


def probe(path: Path | str) -> Facts:
    """Size, rate and number of frames, counted packet by packet without decoding. ValueError if it is not a video."""
    text = ffmpeg.read(path, "-map", "0:v:0", "-c", "copy", "-f", "framecrc").decode("ascii", "replace")
    clock = re.search(r"^#tb 0: (\d+)/(\d+)$", text, re.MULTILINE)
    size = re.search(r"^#dimensions 0: (\d+)x(\d+)$", text, re.MULTILINE)
    times = [line.split(",") for line in text.splitlines() if line.startswith("0,")]
    if clock is None or size is None or not times:
        raise ValueError("damaged video: no pictures")
    try:
        tick = Fraction(int(clock[1]), int(clock[2]))
        starts, lengths = [int(t[2]) for t in times], [int(t[3]) for t in times]
        span = max(starts) - min(starts) + lengths[starts.index(max(starts))]
        fps = Fraction(len(times)) / (span * tick)
    except (ArithmeticError, ValueError, IndexError):
        raise ValueError("damaged video: no time") from None
    return Facts(int(size[1]), int(size[2]), fps.limit_denominator(1001), len(times))


def read_metadata(path: Path | str) -> str | None:
    """The text that VideoWriter embedded, or None. Raises ValueError if the file is not a video."""
    text = ffmpeg.read(path, "-map_metadata", "0", "-f", "ffmetadata").decode("utf-8", "replace")
    for line in _LINE.finditer(text):
        if line[0].startswith("["):  # the comments of streams and chapters are ignored
            break
        if line[0][:8].lower() == "comment=":
            return re.sub(r"\\([\s\S])", r"\1", line[0][8:])
    return None


def upright(path: Path | str) -> tuple[int, int]:
    """(width, height) of the frames as they are shown: a phone's video may be turned, and pixels may not be square.

    ValueError if it is damaged.
    """
    one = ("-frames:v", "1", "-vf", "scale=round(iw*sar):ih", "-c:v", "ppm", "-f", "image2pipe")
    first = ffmpeg.read(path, "-map", "0:v:0", *one)
    header = re.match(rb"P6\s(\d+)\s(\d+)\s", first)
    if header is None:
        raise ValueError("damaged video: no pictures")
    return int(header[1]), int(header[2])


def decode(path: Path | str) -> Generator[Pixels]:
    """The frames (height, width, 3) of a video that VideoWriter made, one at a time. ValueError if it is damaged."""
    width, height, *_ = probe(path)
    return _frames(path, (width, height), _OURS)


def at_rate(path: Path | str, size: tuple[int, int], rate: Fraction) -> Generator[Pixels]:
    """The frames (height, width, 3), in sRGB and upright, of any video at a constant ``rate``, one at a time.

    Frames of a video of another or a variable rate are repeated or left out, and all are brought to ``size``.
    ValueError if it is damaged.
    """
    return _frames(path, size, f"fps={rate},scale={size[0]}:{size[1]}:{_ANY}", _EXACT)


def _frames(path: Path | str, size: tuple[int, int], filters: str, how: Sequence[str] = ()) -> Generator[Pixels]:
    width, height = size
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f"video of {width}x{height}: more than {MAX_PIXELS:,} pixels, or none")
    arguments = ["-map", "0:v:0", "-fps_mode", "passthrough", "-vf", filters, "-f", "rawvideo", "-"]
    command = [ffmpeg.exe(), *ffmpeg.QUIET, "-nostdin", "-xerror", *how, *ffmpeg.source(path), *arguments]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)  # noqa: S603  (no shell)
        stdout = cast(IO[bytes], process.stdout)
        try:
            while data := stdout.read(width * height * 3):
                if len(data) == width * height * 3:
                    yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            if process.wait():
                log.seek(0)
                raise ValueError(f"damaged video: {ffmpeg.last_line(log.read(100_000))}")
        finally:
            process.kill()
            stdout.close()
            process.wait()
