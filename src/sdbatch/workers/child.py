"""The worker's side: receives its settings, reports its progress, and stops when the supervisor is gone."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, BinaryIO

from sdbatch.terminal.progress import Progress


def receive() -> tuple[dict[str, Any], Reporter]:
    """The settings from standard input, and the reporter. Call it once, before anything is printed.

    When the input ends, this process gets SIGTERM and stops as after Ctrl-C.
    """
    settings: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is a message, not an event
    threading.Thread(target=_watch, name="supervisor", daemon=True).start()
    return settings, Reporter(out)


def _watch() -> None:
    while os.read(0, 1 << 16):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


class Reporter(Progress):
    """Progress as events, one JSON line each."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self._out = out

    def start(self, jobs: int, shots: int, cost: float) -> None:
        super().start(jobs, shots, cost)
        self._send("start", jobs, shots, cost)

    def shot(self, cost: float) -> None:
        super().shot(cost)
        self._send("shot", cost)

    def job(self, done: bool, job_id: str, error: str = "") -> None:
        super().job(done, job_id, error)
        self._send("job", done, job_id, error)

    def expect_videos(self, count: int) -> None:
        super().expect_videos(count)
        self._send("videos", count)

    def video(self) -> None:
        super().video()
        self._send("video")

    def _send(self, *event: Any) -> None:
        with self._lock, suppress(OSError):  # nobody listens: the input ends too
            self._out.write(json.dumps(event).encode() + b"\n")
