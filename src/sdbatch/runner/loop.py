"""Passes rendered shots to the writers and isolates crashes, until no work is left or the user interrupts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sdbatch.errors import DeviceLost, RenderError
from sdbatch.runner import timings
from sdbatch.runner.outputs import Outputs
from sdbatch.runner.signals import SignalHandler
from sdbatch.runner.work import Work
from sdbatch.runner.writers import Writers
from sdbatch.spec.cost import cost
from sdbatch.spec.renderer import Failure, Picture, Renderer
from sdbatch.terminal.progress import Progress

PAUSE = 0.2  # seconds between polls of other processes while this one has nothing to do
MAX_CRASHES = 16  # consecutive crashes of the renderer, without a result in between


class Loop:
    """Renders ``work`` with ``renderer``; ``output`` writes the results in the threads of ``writers``."""

    def __init__(self, renderer: Renderer, work: Work, output: Outputs, writers: Writers) -> None:
        self._renderer = renderer
        self._profile = renderer.profile
        self._work = work
        self._output = output
        self._writers = writers
        self._crashes = 0
        self._cost = self._seconds = 0.0
        self._weights: set[str] = set()

    def run(self, signals: SignalHandler, progress: Progress, report: Path | None, sharing: int = 1) -> bool:
        """Render everything; False if the renderer changed its profile (out of memory) before the end.

        ``report`` is the file of timings, or None; ``sharing``: processes that use the device. Raises
        KeyboardInterrupt, also when drained; StoreError; RenderError after MAX_CRASHES consecutive crashes; DeviceLost.
        """
        try:
            while self._timed_pass(signals, progress) or self._wait_for_others(signals):
                pass
        finally:
            if report is not None and self._cost:
                run = timings.Measured(self._seconds, self._cost, sharing)
                timings.add(report, self._renderer.profile, timings.key_of(self._weights), run)
        self._writers.drain()
        if signals.draining:
            raise KeyboardInterrupt
        if self._changed:
            return False
        unrendered, waiting = self._work.unfinished()
        for shot_id in unrendered:
            self._fail(shot_id, "the renderer returned no picture")
        for i in waiting:
            self._output.fail(i, "its shots never became ready")
        return True

    @property
    def _changed(self) -> bool:
        """Whether the renderer's profile differs from that of the records and the cache."""
        return self._renderer.profile != self._profile

    def _timed_pass(self, signals: SignalHandler, progress: Progress) -> bool:
        began = time.perf_counter()
        try:
            return self._pass(signals, progress)
        finally:
            self._seconds += time.perf_counter() - began

    def _pass(self, signals: SignalHandler, progress: Progress) -> bool:
        """One call of ``render``; whether it made progress."""
        busy = False
        for i in self._work.complete():
            busy = True
            self._writers.put(partial(self._output.complete, i))
        results = self._renderer.render(self._work)
        while (result := _next(results, signals)) is not None:
            busy = True
            self._writers.check()
            if self._changed:
                break
            if isinstance(result, Exception):
                self._crashed(result)
                break
            self._crashes = 0
            self._accept(result)
            progress.not_needed(*self._work.dropped())
        for shot_id in self._work.appeared():
            busy = True
            self._writers.put(partial(self._stored, shot_id))
        progress.not_needed(*self._work.dropped())
        return busy and not self._changed

    def _wait_for_others(self, signals: SignalHandler) -> bool:
        """Whether other processes are still rendering; their jobs become ours if they end. Waits PAUSE seconds."""
        self._writers.drain()
        if signals.draining or self._changed or not self._work.others():
            return False
        with signals.interruptible():
            time.sleep(PAUSE)
        return True

    def _accept(self, result: Picture | Failure) -> None:
        if isinstance(result, Failure):
            self._fail(result.shot.id, result.error)
            return
        i, needed = self._work.arrived(result.shot, result.pixels)
        self._cost += cost(result.shot)
        self._weights.add(result.shot.model.weights)
        self._writers.put(partial(self._write, result, i, needed))
        self._output.rendered(cost(result.shot))

    def _write(self, picture: Picture, i: int | None, needed: bool) -> None:
        """In a writer thread: store the picture, then write the jobs that it completes."""
        try:
            if i is None:
                self._output.write_shot(picture)
            else:
                self._output.write_still(i, picture.pixels, picture.warnings, needed)
        except RenderError as e:
            self._fail(picture.shot.id, str(e), i)
            return
        if needed:
            self._stored(picture.shot.id, i)

    def _stored(self, shot_id: str, written: int | None = None) -> None:
        for i in self._work.stored(shot_id, written):
            self._output.complete(i)

    def _fail(self, shot_id: str, error: str, still: int | None = None) -> None:
        jobs = self._work.failed(shot_id)
        for i in jobs if still is None or still in jobs else [still, *jobs]:
            self._output.fail(i, error, shot_id)

    def _crashed(self, error: Exception) -> None:
        if isinstance(error, DeviceLost):
            raise error
        self._crashes += 1
        text = f"{type(error).__name__}: {error}"
        if self._crashes >= MAX_CRASHES:
            raise RenderError(f"the renderer failed {self._crashes} times in a row; last error: {text}") from error
        if not self._work.busy:
            raise RenderError(f"the renderer failed with no shots in flight: {text}") from error
        if culprit := self._work.crashed():
            self._fail(culprit, text)


def _next(results: Iterator[Picture | Failure], signals: SignalHandler) -> Picture | Failure | Exception | None:
    """The next result, the exception that the renderer raised, or None at the end."""
    try:
        with signals.interruptible():
            return next(results, None)
    except Exception as e:
        return e
