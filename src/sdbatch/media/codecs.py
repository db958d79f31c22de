"""ffmpeg's arguments for a video: its codec (``spec.codecs``) and interpolated frames."""

from __future__ import annotations

from fractions import Fraction

from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Encoding

# In-between frames by motion estimation both ways, blocks overlapped (https://ffmpeg.org/ffmpeg-filters.html#minterpolate)
_BETWEEN = "minterpolate=fps={fps}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1"
_LAST_AGAIN = "tpad=stop=1:stop_mode=clone"
AHEAD = 2  # frames that minterpolate looks ahead: it ends that many frames before the last one


def arguments(encoding: Encoding, fps: Fraction, cycle: int = 0) -> list[str]:
    """ffmpeg's arguments from frames at ``fps`` to a file. ValueError for a codec that is not in the table.

    ``cycle``: the number of frames of a loop. Its first ``AHEAD`` are repeated at the end, so that frames between the
    last and the first can be interpolated.
    """
    if encoding.codec not in CODECS:
        raise ValueError(f"unknown codec {encoding.codec!r}; allowed: {', '.join(CODECS)}")
    codec = CODECS[encoding.codec]
    values = {"quality": encoding.quality, "preset": encoding.preset, "percent": 100 - encoding.quality * 100 // 51}
    filters = codec.filters
    if encoding.interpolate > 1:
        whole = [_BETWEEN.format(fps=fps * encoding.interpolate)]
        whole = [*whole, f"trim=end_frame={cycle * encoding.interpolate}"] if cycle else [_LAST_AGAIN, *whole]
        filters = f"format=yuv444p,{','.join(whole)},format=gbrp,{filters}"
    return ["-vf", filters, *(a.format(**values) for a in codec.arguments.split()), "-f", codec.muxer]
