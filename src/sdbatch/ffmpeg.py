"""The ffmpeg program of imageio-ffmpeg: its path, its version, and running it on untrusted files.

Never through a shell, always with a list of arguments and an absolute path behind ``file:``.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from sdbatch.spec.codecs import CODECS

QUIET = ("-hide_banner", "-loglevel", "error", "-nostats")
MAX_OUTPUT = 64_000_000  # bytes
TIMEOUT = 120  # seconds


@lru_cache(maxsize=1)
def exe() -> str:
    """The path of the program; the environment variable IMAGEIO_FFMPEG_EXE overrides it. Raises OSError."""
    try:
        import imageio_ffmpeg  # here, because importing it runs the program once

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as e:
        raise FileNotFoundError(str(e)) from e


@lru_cache(maxsize=1)
def encoder_build() -> str:
    """The versions of ffmpeg and x264 for the profile (``ffmpeg n9.0.2, x264 core 165``); ``none`` without ffmpeg."""
    source = ("-f", "lavfi", "-i", "color=s=16x16", "-frames:v", "1", "-c:v", "libx264", "-f", "h264", "-")
    try:
        version = re.search(rb"version (\S+)", _output_of("-version"))
        x264 = re.search(
            rb"x264 - (core \d+[\w ]*?) -", _output_of(*QUIET, *source)
        )  # x264 writes its version into the first picture
    except (OSError, subprocess.CalledProcessError):
        return "none"
    parts = [f"ffmpeg {version[1].decode()}"] if version else []
    return ", ".join([*parts, *([f"x264 {x264[1].decode()}"] if x264 else [])])


def _output_of(*arguments: str) -> bytes:
    return subprocess.run([exe(), *arguments], capture_output=True, check=True).stdout  # noqa: S603  (no shell)


def source(path: Path | str, demuxers: str = "") -> list[str]:
    """Arguments that open ``path`` with one of ``demuxers`` only, else as a video. With ``file:``, names may contain a
    colon or a dash."""
    demuxers = demuxers or ",".join(dict.fromkeys(codec.demuxers for codec in CODECS.values()))
    # A file may in fact be a playlist with other files or hosts: allow only these demuxers, and no network.
    trusted = ("-protocol_whitelist", "file,pipe", "-format_whitelist", demuxers)
    return [*trusted, "-i", f"file:{Path(path).absolute()}"]


def read(path: Path | str, *arguments: str) -> bytes:
    """The output of ffmpeg for the video at ``path``.

    Raises ValueError if the video is missing or damaged, or the answer is longer than 64 MB or 120 seconds.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [exe(), *QUIET, "-nostdin", *source(path), *arguments, "-fs", str(MAX_OUTPUT), "-"]
        try:
            done = subprocess.run(  # noqa: S603  (no shell)
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"video not read within {TIMEOUT} s") from None
        out.seek(0)
        err.seek(0)
        if done.returncode:
            raise ValueError(f"damaged video: {last_line(err.read(10_000))}")
        return out.read(MAX_OUTPUT)


def last_line(log: bytes) -> str:
    """The last line of an ffmpeg log without the address of the part that wrote it."""
    lines = log.decode("utf-8", "replace").strip().splitlines()
    return re.sub(r"^(\[[^\]]*\] )+", "", lines[-1])[:300] if lines else "no message"
