"""Starts workers and listens to them until the last one has ended."""

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

MOMENT = 0.1  # seconds
RESTARTS = 2  # of one slot; what a worker leaves behind is taken by the others or by its successor
_KNOWN = (0, 1, 2, 3, 130)  # exit codes of a program that ended by itself


class Supervisor:
    """Workers on ``slots`` that carry out ``order`` (JSON-able). ``progress`` shows what all of them do together."""

    def __init__(self, slots: Sequence[Slot], order: Mapping[str, Any], progress: Progress) -> None:
        self._slots = slots
        self._order = order
        self._progress = progress
        self._told: queue.Queue[tuple[int, str, Any]] = queue.Queue()
        self._running: dict[int, Process] = {}
        self._deaths = [0] * len(slots)
        self._codes: list[int] = []
        self._said: set[str] = set()
        self._gate = SignalHandler(self._on_kill)

    @property
    def stopped(self) -> bool:
        """Whether the user asked to stop."""
        return self._gate.stopped

    def run(self) -> int:
        """The worst exit code; 1 if a worker died again and again."""
        with self._gate:
            try:
                for n in range(len(self._slots)):
                    self._start(n)
                while self._running:
                    self._listen()
                    if self.stopped:
                        self._stop()
            finally:
                self._progress.close()
        return max(self._codes, default=0)

    def _start(self, n: int) -> None:
        slot = self._slots[n]
        order = {**self._order, "runtime": slot.runtime.model_dump(mode="json")}
        self._running[n] = Process(order, slot.environment, partial(self._hear, n))

    def _hear(self, n: int, kind: str, what: Any) -> None:
        self._told.put((n, kind, what))

    def _listen(self) -> None:
        """Take in what is told within a moment. No signal interrupts this, so nothing that is told is lost."""
        with suppress(queue.Empty):
            self._take_in(*self._told.get(timeout=MOMENT))

    def _stop(self) -> None:
        """The user asked to: every worker ends in good order. To ask once more ends them at once."""
        for process in self._running.values():
            process.stop()

    def _on_kill(self) -> None:
        for process in self._running.values():
            process.kill()
        self._progress.abort()

    def _take_in(self, n: int, kind: str, what: Any) -> None:
        if kind == "ended":
            self._ended(n, what)
        elif kind == "event":
            self._event(*what)
        elif what not in self._said:  # what is wrong with one is mostly wrong with all
            self._said.add(what)
            self._progress.say(f"{self._slots[n].name}: {what}")

    def _event(self, kind: str, *values: Any) -> None:
        if kind == "start" and not self._progress.jobs:  # each sees all that is left: the first sees all of it
            self._progress.start(*values)
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
        then = "it is started again" if again else "it died too often; the others go on without it"
        self._progress.say(f"{self._slots[n].name} died ({how}): {then}")
        if again:
            self._start(n)
        else:
            self._codes.append(1)
