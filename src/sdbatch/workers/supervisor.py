"""Starts workers and processes their events until the last one has ended."""

from __future__ import annotations

import queue
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sdbatch.runner.signals import SignalHandler
from sdbatch.terminal.progress import Progress
from sdbatch.workers.process import Process
from sdbatch.workers.slots import Slot

POLL = 0.1  # seconds
RESTARTS = 2  # per slot; other workers or the restarted one take over its jobs
_KNOWN = (0, 1, 2, 3, 130)  # exit codes of a program that ended by itself


class Supervisor:
    """Runs one worker per slot with ``order`` (JSON-compatible). ``progress`` shows the total of all workers."""

    def __init__(self, slots: Sequence[Slot], order: Mapping[str, Any], progress: Progress) -> None:
        self._slots = slots
        self._order = order
        self._progress = progress
        self._events: queue.Queue[tuple[int, str, Any]] = queue.Queue()
        self._running: dict[int, Process] = {}
        self._deaths = [0] * len(slots)
        self._codes: list[int] = []
        self._shown: set[str] = set()
        self._drained: set[int] = set()  # process ids
        self._signals = SignalHandler(self._on_kill)

    @property
    def stopped(self) -> bool:
        """Whether a stop or a drain was requested."""
        return self._signals.ending

    def run(self) -> int:
        """Run all workers; returns the largest exit code, 1 if a worker died more than RESTARTS times."""
        with self._signals:
            try:
                for n in range(len(self._slots)):
                    self._start(n)
                while self._running:
                    self._listen()
                    if self._signals.stopped:
                        self._stop()
                    elif self._signals.draining:
                        self._drain()
            finally:
                self._progress.close()
        return max(self._codes, default=0)

    def _start(self, n: int) -> None:
        slot = self._slots[n]
        order = {**self._order, "runtime": slot.runtime.model_dump(mode="json")}
        self._running[n] = Process(order, slot.environment, partial(self._receive, n))

    def _receive(self, n: int, kind: str, what: Any) -> None:
        self._events.put((n, kind, what))

    def _listen(self) -> None:
        """Handle one event, if it arrives within POLL seconds. Signals do not interrupt this, so no event is lost."""
        with suppress(queue.Empty):
            self._handle(*self._events.get(timeout=POLL))

    def _stop(self) -> None:
        """Ask all workers to stop in an orderly way. A second interrupt kills them."""
        for process in self._running.values():
            process.stop()

    def _drain(self) -> None:
        """Pass the signal on, once: workers finish what they render now."""
        for process in self._running.values():
            if process.pid not in self._drained:
                self._drained.add(process.pid)
                process.drain()

    def _on_kill(self) -> None:
        for process in self._running.values():
            process.kill()
        self._progress.abort()

    def _handle(self, n: int, kind: str, what: Any) -> None:
        if kind == "ended":
            self._ended(n, what)
        elif kind == "event":
            self._event(*what)
        elif what not in self._shown:  # the same message usually comes from all workers
            self._shown.add(what)
            self._progress.say(f"{self._slots[n].name}: {what}")

    def _event(self, kind: str, *values: Any) -> None:
        if (
            kind == "start" and not self._progress.jobs
        ):  # each worker reports all remaining jobs; the first report has the most
            self._progress.start(*values)
        elif kind == "videos" and not self._progress.videos:
            self._progress.expect_videos(*values)
        elif kind == "video":
            self._progress.video()
        elif kind == "shot":
            self._progress.shot(*values)
        elif kind == "job":
            self._progress.job(*values)

    def _ended(self, n: int, code: int) -> None:
        del self._running[n]
        if code in _KNOWN:
            self._codes.append(code)
        elif self.stopped:
            self._codes.append(130)
        else:
            self._died(n, code)

    def _died(self, n: int, code: int) -> None:
        self._deaths[n] += 1
        how = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
        again = self._deaths[n] <= RESTARTS
        then = "restarting it" if again else "it died too often; the others continue without it"
        self._progress.say(f"{self._slots[n].name} died ({how}): {then}")
        if again:
            self._start(n)
        else:
            self._codes.append(1)
