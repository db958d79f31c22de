"""Reads a sound file: digest, length, beats. Files are untrusted; whatever is wrong with them is a ValueError."""

from __future__ import annotations

import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdbatch import ffmpeg
from sdbatch.files import file_digest
from sdbatch.sound.beats import RATE, find
from sdbatch.spec.sound import Sound

DEMUXERS = "aac,aiff,caf,flac,matroska,mov,mp3,ogg,w64,wav"
KINDS = "WAV, MP3, FLAC, Ogg, AAC, M4A, AIFF, CAF, or an MP4, MOV, MKV or WebM with sound"
LONGEST = 3600  # seconds
SHORTEST = 0.1
MAX_BYTES = 2**31
# Without the vector instructions of this processor, so that beats do not depend on it.
_SAMPLES = ("-map", "0:a:0", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-c:a", "pcm_s16le", "-t", str(LONGEST + 1))


def hear(path: str) -> Sound:
    """The sound in the file ``path``. Raises ValueError, without the name of the file."""
    try:
        where = Path(path).expanduser()
        found = where.stat()
    except (OSError, ValueError, RuntimeError) as e:  # RuntimeError: ~ without a home
        reason = getattr(e, "strerror", None) or e
        raise ValueError(
            f"cannot be read: {reason} (paths are relative to the working folder, or to that of the experiment file)"
        ) from None
    if not where.is_file():
        raise ValueError("is not a file")
    if found.st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 2**30} GiB")
    digest, seconds, beats = _heard(str(where), found.st_size, found.st_mtime_ns)
    return Sound(digest, str(where), seconds, beats)


@lru_cache(maxsize=16)
def _heard(path: str, size: int, changed: int) -> tuple[str, float, tuple[float, ...]]:
    """(digest, seconds, beats); the other arguments say which version of the file that is."""
    try:
        name = file_digest(path)
    except OSError as e:
        raise ValueError(f"cannot be read: {e.strerror or e}") from None
    samples = np.frombuffer(_decoded(path), "<i2")
    seconds = len(samples) / RATE
    if seconds < SHORTEST:
        raise ValueError("contains no sound" if not seconds else f"is shorter than {SHORTEST} s")
    if seconds > LONGEST:
        raise ValueError(f"is longer than {LONGEST} s")
    return name, seconds, find(samples)


def _decoded(path: str) -> bytes:
    source = ffmpeg.source(path, DEMUXERS)
    command = [ffmpeg.exe(), *ffmpeg.QUIET, "-nostdin", "-cpuflags", "0", *source, *_SAMPLES, "-"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        try:
            done = subprocess.run(  # noqa: S603  (no shell)
                command, stdout=out, stderr=log, stdin=subprocess.DEVNULL, timeout=ffmpeg.TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"could not be read within {ffmpeg.TIMEOUT} s") from None
        log.seek(0)
        if done.returncode:
            raise ValueError(f"has no sound that can be read ({KINDS}): {ffmpeg.last_line(log.read(10_000))}")
        out.seek(0)
        return out.read()
