"""The sound of a video: cut or repeated to its length, encoded on its own, without the processor's vector instructions.

So its bytes do not depend on the processor; the video's own encoding then copies it.
"""

from __future__ import annotations

import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

from sdbatch import ffmpeg
from sdbatch.errors import RenderError
from sdbatch.sound.heard import DEMUXERS
from sdbatch.spec.codecs import CODECS

RATE = 48_000
EXACT = ("-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1")


def write(path: Path, to: Path, seconds: Fraction, codec: str) -> None:
    """Write the sound in ``path`` to ``to``, ``seconds`` long, for a video of ``codec``. Raises RenderError."""
    samples = round(seconds * RATE)
    whole = f"aresample={RATE},aformat=sample_fmts=fltp:channel_layouts=stereo,aloop=loop=-1:size=2147483647"
    arguments = ["-map", "0:a:0", "-af", f"{whole},atrim=end_sample={samples}", *EXACT]
    arguments += [*CODECS[codec].sound.split(), "-f", CODECS[codec].muxer, f"file:{to.absolute()}"]
    source = ffmpeg.source(path, DEMUXERS)
    command = [ffmpeg.exe(), *ffmpeg.QUIET, "-nostdin", "-y", "-cpuflags", "0", *source, *arguments]
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
        if done.returncode:
            log.seek(0)
            raise RenderError(f"the sound cannot be encoded: {ffmpeg.last_line(log.read(100_000))}")
