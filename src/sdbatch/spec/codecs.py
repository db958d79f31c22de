"""The codecs that a video can be written with: one typed entry each. Pure; imports nothing of the project.

Names of files, choices of ``encoding.codec``, ffmpeg's arguments, what is read back and how the gallery shows a video
all derive from ``CODECS``. To add a codec, add an entry; nothing else changes (CONTRIBUTING.md has an example).

Every entry fixes what bits depend on (threads) and converts sRGB to the colours that its tags promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_SCALE = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
_BT709 = (
    f"scale=in_range=pc:out_range=tv:out_color_matrix=bt709:{_SCALE},format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
# One palette per picture, so that nothing waits for the last frame; an ordered dither does not crawl.
_PALETTE = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=bayer:bayer_scale=4"
_H264 = "-c:v libx264 -threads 2 -preset {preset} -crf {quality} -movflags +faststart"
_VP9 = "-c:v libvpx-vp9 -threads 2 -row-mt 1 -deadline good -cpu-used 4 -b:v 0 -crf {quality}"
_AV1 = "-c:v libsvtav1 -preset 8 -crf {quality} -svtav1-params lp=2"
_WEBP = "-c:v libwebp -quality {percent} -loop 0"
_WEBM = "matroska,webm"
_AAC, _VORBIS = "-c:a aac -b:a 192k", "-c:a libvorbis -q:a 6"  # Opus' encoder would choose instructions by processor


Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"]  # x264's


@dataclass(frozen=True, slots=True)
class Codec:
    """How ffmpeg writes one kind of video, and how a web page shows it.

    ``filters`` end in the pixel format. ``arguments`` may name {quality} (crf, 0 best - 51), {percent} (the same as
    100 best - 0) and {preset} (x264's). ``demuxers`` are ffmpeg's names of what reads the file back. ``even``: odd
    sizes get one more row or column, a copy of the last. ``tagged``: the container can hold metadata. ``element`` is
    the HTML element that plays the file. ``sound``: arguments that encode its sound; empty if it cannot hold any.
    """

    name: str
    about: str
    suffix: str
    muxer: str
    demuxers: str
    filters: str
    arguments: str
    even: bool = True
    tagged: bool = True
    element: Literal["video", "img"] = "video"
    sound: str = ""


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("h264", "MP4, yuv420p, fast-start", "mp4", "mp4", "mov", _BT709, _H264, sound=_AAC),
        Codec("av1", "WebM", "webm", "webm", _WEBM, _BT709, _AV1, sound=_VORBIS),
        Codec("vp9", "WebM", "webm", "webm", _WEBM, _BT709, _VP9, sound=_VORBIS),
        Codec("webp", "animated picture", "webp", "webp", "webp_anim", "format=bgra", _WEBP, False, False, "img"),
        Codec("gif", "animated picture", "gif", "gif", "gif", _PALETTE, "-c:v gif -loop 0", False, False, "img"),
    )
}
