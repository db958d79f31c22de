"""Waiting for what must happen, and limits that a busy machine does not move: CPU time, not the clock."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 60.0  # until a condition that stays false is a failure; no test measures time


def until(done: Callable[[], object], said: Callable[[], str] = lambda: "", timeout: float = SECONDS) -> None:
    """Wait until another thread or process makes ``done`` true; after ``timeout`` fail with the text of ``said``."""
    end = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < end, f"the condition did not become true: {said()}"
        time.sleep(0.003)


def runs(pid: int) -> bool:
    """Whether a process that may be nobody's child here has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Fail if the block takes more CPU time than that: a guard against time that grows faster than the input."""

    def expired(*_: object) -> None:
        raise AssertionError(f"more than {seconds} s of CPU time")

    before = signal.signal(signal.SIGPROF, expired)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
