"""Writes a video from a stream of frames: one frame in memory, published when complete. Does not know jobs."""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from sdbatch import ffmpeg
from sdbatch.errors import RenderError, StoreError
from sdbatch.files import atomic
from sdbatch.media import xmp
from sdbatch.media.codecs import AHEAD, arguments
from sdbatch.sound import soundtrack
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.renderer import Pixels


class VideoWriter:
    """Writes one video::

        with VideoWriter(path, (512, 512), Fraction(24), encoding, metadata) as video:
            for pixels in frames:
                video.add(pixels)

    Equal frames give equal bytes (of one ``ffmpeg.encoder_build()``). Until the block ends without an error only
    ``.<name>.<pid>.part`` (and ``.text.part``, ``.sound.part``) exist beside ``path``; if it raises they are removed.
    ``size`` is (width, height). ``metadata`` is text (JSON): MP4 and WebM hold it as their comment, MP4 also the XMP
    mark. ``cycle`` is the number of frames of a video that loops: frames are also put between its last and its first.
    ``sound`` is a sound file, and the seconds to which it is cut or repeated.
    """

    def __init__(  # noqa: PLR0913  (independent settings)
        self,
        path: Path | str,
        size: tuple[int, int],
        fps: Fraction,
        encoding: Encoding,
        metadata: str | None = None,
        *,
        cycle: int = 0,
        sound: tuple[Path, Fraction] | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames = 0
        width, height = size
        self._shape = (height, width, 3)
        self._codec = CODECS.get(encoding.codec, CODECS["h264"])
        self._pad = ((0, height % 2), (0, width % 2), (0, 0)) if self._codec.even else None
        self._metadata = metadata if self._codec.tagged else None
        if metadata is not None and re.search(r"\0|\\(?=\n|\Z)", metadata):
            raise ValueError("metadata contains a NUL or a line that ends in a backslash: ffmpeg would change it")
        self._part = atomic.hidden(self.path)
        self._notes = self._part.with_suffix(".text.part")
        self._sound, self._soundtrack = sound, self._part.with_suffix(".sound.part")
        self._cycle = cycle if encoding.interpolate > 1 else 0
        self._first: list[Pixels] = []  # of a cycle: they are repeated at the end
        self._arguments = self._command(fps, encoding)
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self, fps: Fraction, encoding: Encoding) -> list[str]:
        (_, bottom), (_, right), _ = self._pad or ((0, 0),) * 3
        height, width, _ = self._shape
        frames = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width + right}x{height + bottom}"]
        command = [ffmpeg.exe(), *ffmpeg.QUIET, "-y", *frames, "-framerate", str(fps), "-i", "pipe:0"]
        if self._metadata is not None:  # in a file: arguments are limited to 128 KB, and visible in ps
            command += ["-f", "ffmetadata", "-i", f"file:{self._notes.absolute()}"]
        sound = []
        if self._sound is not None:
            command += ["-f", self._codec.demuxers.partition(",")[0], "-i", f"file:{self._soundtrack.absolute()}"]
            sound = ["-map", f"{1 if self._metadata is None else 2}:a", "-c:a", "copy"]
        command += ["-map", "0:v", *sound, "-map_metadata", "-1" if self._metadata is None else "1"]
        command += ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-filter_threads", "1"]
        command += arguments(encoding, fps, self._cycle)
        return [*command, f"file:{self._part.absolute()}"]

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()  # a pipe could fill up and block
        try:
            if self._metadata is not None:
                self._notes.write_text(f";FFMETADATA1\ncomment={_escape(self._metadata)}\n", "utf-8", newline="")
            if self._sound is not None:
                soundtrack.write(self._sound[0], self._soundtrack, self._sound[1], self._codec.name)
            # A separate session, so that Ctrl-C reaches only this process, which ends ffmpeg and removes its file.
            self._process = subprocess.Popen(  # noqa: S603  (no shell)
                self._arguments, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, start_new_session=True
            )
        except (OSError, RenderError) as e:
            self._clean()
            if isinstance(e, RenderError):
                raise
            raise StoreError(f"{self.path.name}: ffmpeg does not start: {e}") from e
        return self

    def add(self, pixels: Pixels) -> None:
        """Append a frame (height, width, 3) uint8. ValueError for another shape; StoreError if ffmpeg has died."""
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise ValueError(f"frame {self.frames} is {pixels.dtype} {pixels.shape}, not uint8 {self._shape}")
        if len(self._first) < min(self._cycle, AHEAD):
            self._first.append(pixels.copy())
        self._send(pixels)
        self.frames += 1

    def _send(self, pixels: Pixels) -> None:
        if self._pad is not None:
            pixels = np.pad(pixels, self._pad, mode="edge")
        process, stdin = self._running()
        try:
            stdin.write(np.ascontiguousarray(pixels).data)
        except OSError as e:
            process.wait()
            raise self._failure() from e

    def _running(self) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        if self._process is None or self._process.stdin is None:
            raise ValueError("a VideoWriter writes inside its with block")
        return self._process, self._process.stdin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._clean()

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError(f"{self.path.name}: a video needs a frame")
        for i in range(AHEAD if self._cycle else 0):
            self._send(self._first[i % len(self._first)])
        process, stdin = self._running()
        with suppress(OSError):  # errors are reported by the exit code
            stdin.close()
        if process.wait():
            raise self._failure()
        try:
            if self._metadata is not None and self._codec.muxer == "mp4":
                with self._part.open("ab") as f:
                    f.write(xmp.box())
            self._part.replace(self.path)
        except OSError as e:
            raise StoreError(f"{self.path.name}: {e.strerror}") from e

    def _failure(self) -> StoreError:
        self._log.seek(0)
        code = self._process.returncode if self._process else None
        words = ffmpeg.last_line(self._log.read(100_000))
        return StoreError(f"{self.path.name}: ffmpeg failed: {words} (exit code {code})")

    def _clean(self) -> None:
        if self._process is not None:
            process, stdin = self._running()
            process.kill()
            with suppress(OSError):
                stdin.close()
            process.wait()
            self._process = None
        self._log.close()
        self._part.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self._soundtrack.unlink(missing_ok=True)


def _escape(text: str) -> str:
    """``text`` as a value of ffmpeg's metadata format."""
    return re.sub(r"([=;#\\\n])", r"\\\1", text)
