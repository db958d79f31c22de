"""The kinds of video file. A new one is one entry here; nothing else changes.

Every entry fixes what bits depend on (threads) and converts sRGB to the colours that its tags promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sdbatch.spec.jobs import Encoding

_SCALE = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
_BT709 = (
    f"scale=in_range=pc:out_range=tv:out_color_matrix=bt709:{_SCALE},format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
# One palette per picture, so that nothing waits for the last frame; an ordered dither does not crawl.
_PALETTE = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=bayer:bayer_scale=4"
_VP9 = "-c:v libvpx-vp9 -threads 2 -row-mt 1 -deadline good -cpu-used 4 -b:v 0 -crf {quality}"


@dataclass(frozen=True, slots=True)
class Codec:
    """How ffmpeg writes one kind of video.

    ``arguments`` may name {quality} (crf, 0 best - 51), {percent} (the same as 100 best - 0) and {preset} (x264's).
    ``even``: odd sizes get one more row or column, a copy of the last. ``tagged``: the container carries our metadata.
    """

    suffix: str
    muxer: str
    filters: str
    arguments: str
    even: bool = True
    tagged: bool = True


CODECS: dict[str, Codec] = {
    "h264": Codec("mp4", "mp4", _BT709, "-c:v libx264 -threads 2 -preset {preset} -crf {quality} -movflags +faststart"),
    "av1": Codec("webm", "webm", _BT709, "-c:v libsvtav1 -preset 8 -crf {quality} -svtav1-params lp=2"),
    "vp9": Codec("webm", "webm", _BT709, _VP9),
    "webp": Codec("webp", "webp", "format=bgra", "-c:v libwebp -quality {percent} -loop 0", even=False, tagged=False),
    "gif": Codec("gif", "gif", _PALETTE, "-c:v gif -loop 0", even=False, tagged=False),
}


# In-between frames by motion estimation both ways, blocks overlapped (https://ffmpeg.org/ffmpeg-filters.html#minterpolate)
_BETWEEN = "minterpolate=fps={fps}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1"
_LAST_AGAIN = "tpad=stop=1:stop_mode=clone"
AHEAD = 2  # frames that it looks ahead: it stops so long before the last one (and before the next one is made of that)


def arguments(encoding: Encoding, fps: Fraction, cycle: int = 0) -> list[str]:
    """ffmpeg's arguments from frames at ``fps`` to a file. ValueError for a codec that is not in the table.

    ``cycle``: a loop of so many frames, of which ``AHEAD`` come again at the end, for what lies between last and first.
    """
    if encoding.codec not in CODECS:
        raise ValueError(f"{encoding.codec!r} is none of {', '.join(CODECS)}")
    codec = CODECS[encoding.codec]
    values = {"quality": encoding.quality, "preset": encoding.preset, "percent": 100 - encoding.quality * 100 // 51}
    filters = codec.filters
    if encoding.interpolate > 1:
        whole = [_BETWEEN.format(fps=fps * encoding.interpolate)]
        whole = [*whole, f"trim=end_frame={cycle * encoding.interpolate}"] if cycle else [_LAST_AGAIN, *whole]
        filters = f"format=yuv444p,{','.join(whole)},format=gbrp,{filters}"
    return ["-vf", filters, *(a.format(**values) for a in codec.arguments.split()), "-f", codec.muxer]
