"""Ctrl-C and SIGTERM: the first ends the run in good order, the second ends the process.

A long computation is interrupted where it stands (``interruptible``), bookkeeping is not. KeyboardInterrupt, because a
renderer may well catch every Exception to turn it into a failed shot.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalHandler:
    """Usable as a context manager in any thread; only the main thread can be signalled."""

    def __init__(self, on_kill: Callable[[], None] = lambda: None) -> None:
        self.stopped = False
        self._on_kill = on_kill
        self._open = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> SignalHandler:
        if threading.current_thread() is threading.main_thread():
            asked = [s for s in SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]  # as under nohup
            self._before = {s: signal.signal(s, self._handle) for s in asked}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """What runs inside is left by KeyboardInterrupt when the user stops; at once if that was before."""
        yield from self._set(True)

    @contextmanager
    def uninterruptible(self) -> Iterator[None]:
        """What runs inside (of ``interruptible``) is finished first."""
        yield from self._set(False)

    def _set(self, to: bool) -> Iterator[None]:
        before, self._open = self._open, to
        try:
            if to and self.stopped:
                raise KeyboardInterrupt
            yield
        finally:
            self._open = before
        if before and self.stopped:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            self._on_kill()
            os._exit(130)
        self.stopped = True
        if self._open:
            raise KeyboardInterrupt
