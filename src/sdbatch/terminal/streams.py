"""Standard output and error for consoles of any kind: of any encoding, closed early (``| head``), or full.

What a run prints must never decide what becomes of its pictures.
"""

from __future__ import annotations

import io
import os
import sys


class Output(io.TextIOWrapper):
    """A text stream whose errors are kept instead of raised. Letters that its encoding lacks are written as numbers."""

    error: OSError | None = None  # the first one that the user must know of: not that a reader has gone

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as e:
            self._give_up(e)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as e:
            self._give_up(e)

    def _give_up(self, error: OSError) -> None:
        """What follows, and what is still in the buffer, goes nowhere."""
        if not isinstance(error, BrokenPipeError):
            self.error = self.error or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def forgiving(stream: object) -> Output | None:
    """``stream`` as an Output that takes its place; None if it is not a usual text stream."""
    if not isinstance(stream, io.TextIOWrapper):
        return None
    encoding, buffered = stream.encoding, stream.line_buffering
    return Output(stream.detach(), encoding, "backslashreplace", line_buffering=buffered)


def install() -> None:
    """Put forgiving streams in place of ``sys.stdout`` and ``sys.stderr``."""
    sys.stdout = forgiving(sys.stdout) or sys.stdout
    sys.stderr = forgiving(sys.stderr) or sys.stderr


def lost_output() -> str:
    """Why something that was printed could not be written, or empty."""
    sys.stdout.flush()
    error = sys.stdout.error if isinstance(sys.stdout, Output) else None
    return str(error.strerror) if error else ""
