"""Small videos for tests, written by ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sdbatch import ffmpeg

_CODECS = {".webm": ["-c:v", "libvpx-vp9"], ".gif": []}


def moving(path: Path, frames: int, rate: int = 12) -> Path:
    """A bright square that moves to the right over a dark sea, 96 x 64 pixels."""
    seconds = frames / rate
    sources = [f"color=c=0x102030:s=96x64:r={rate}:d={seconds}", f"color=c=0xf0e020:s=24x24:r={rate}:d={seconds}"]
    inputs = [part for source in sources for part in ("-f", "lavfi", "-i", source)]
    overlay = f"[0][1]overlay=x='2+t*{60 / seconds}':y=20:shortest=1"
    codec = _CODECS.get(path.suffix, ["-c:v", "libx264", "-pix_fmt", "yuv420p"])
    command = [ffmpeg.exe(), *ffmpeg.QUIET, "-y", *inputs, "-filter_complex", overlay, "-frames:v", str(frames), *codec]
    subprocess.run([*command, str(path)], check=True)
    return path
