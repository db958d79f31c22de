"""Ctrl-C and SIGTERM: the first ends the run in an orderly way, the second ends the process at once.

Long computations are interrupted immediately (``interruptible``), bookkeeping is not. The handler raises
KeyboardInterrupt, because a renderer may catch every Exception to report a failed shot. SIGUSR1 and SIGUSR2 drain: no
new shot is started, those in flight are finished. SLURM sends one before the time limit.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

STOP = (signal.SIGINT, signal.SIGTERM)
DRAIN = (signal.SIGUSR1, signal.SIGUSR2)


class SignalHandler:
    """A context manager that handles these signals. In other threads than the main one it handles none.

    ``stopped``: whether the run must end now; any thread may set it. ``draining``: whether it must start nothing new.
    ``on_kill`` runs before the process is ended.
    """

    def __init__(self, on_kill: Callable[[], None] = lambda: None) -> None:
        self.stopped = False
        self.draining = False
        self._on_kill = on_kill
        self._interruptible = False
        self._previous: dict[int, Any] = {}

    @property
    def ending(self) -> bool:
        """Whether the run stops or drains."""
        return self.stopped or self.draining

    def __enter__(self) -> SignalHandler:
        if threading.current_thread() is threading.main_thread():
            handled = [s for s in (*STOP, *DRAIN) if signal.getsignal(s) is not signal.SIG_IGN]  # as under nohup
            self._previous = {s: signal.signal(s, self._drain if s in DRAIN else self._handle) for s in handled}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that raises KeyboardInterrupt when the user interrupts, or at once if that has happened already."""
        yield from self._set(True)

    @contextmanager
    def uninterruptible(self) -> Iterator[None]:
        """A block inside of ``interruptible`` that is finished before KeyboardInterrupt is raised."""
        yield from self._set(False)

    def _set(self, to: bool) -> Iterator[None]:
        before, self._interruptible = self._interruptible, to
        try:
            if to and self.stopped:
                raise KeyboardInterrupt
            yield
        finally:
            self._interruptible = before
        if before and self.stopped:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            self._on_kill()
            os._exit(130)
        self.stopped = True
        if self._interruptible:
            raise KeyboardInterrupt

    def _drain(self, number: int, frame: FrameType | None) -> None:
        self.draining = True
