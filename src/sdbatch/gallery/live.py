"""Updates the page during a run: receives its events and writes from a separate thread.

Of several processes one writes the page for all (``store.turn``); each writes the thumbnails of its own pictures, whose
pixels it has in memory.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sdbatch.errors import StoreError
from sdbatch.gallery.site import Site
from sdbatch.gallery.status import StatusTable, worker_counts
from sdbatch.runner import Observer
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Claims, OtherWorkers, Record, Turn, Worker
from sdbatch.terminal.progress import Progress

TICK = 0.7  # seconds between checks for changes
HEARTBEAT = 5.0  # seconds after which the status is written even without changes
POLL = 2.0  # seconds between reads of other workers' records
CHECK = 5.0  # seconds between the questions of those that do not write the page whether its writer lives
PAUSES = 10  # a check that took long, because of many workers or jobs, is followed by a pause so many times as long


class Live(Observer):
    """Observes a run and updates its page, which ``make`` describes.

    ``error`` is the reason why the page could not be written, or empty.
    Errors of the page never affect the pictures.
    """

    def __init__(self, make: Callable[[], Site], progress: Progress) -> None:
        self.error = ""
        self._make = make
        self._site = make()
        self._progress = progress
        self._records: deque[Record] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self) -> Iterator[Live]:
        """Use around a run: completes the page at the end."""
        try:
            yield self
        finally:
            self._close()

    def begin(self, worker: Worker, claims: Claims) -> None:
        """Start the thread that updates the page."""
        reporter = _Reporter(self._site, worker, claims.turn("page"), self._progress)
        self._thread = threading.Thread(target=self._run, args=(reporter,), name="gallery", daemon=True)
        self._thread.start()

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        """Write the thumbnail of ``record`` and queue it for the page."""
        if record.done:
            with suppress(ValueError, OSError, StoreError):
                self._site.thumb(record, pixels)
        self._records.append(record)

    def end(self) -> None:
        """Write the last changes, while others still leave the page to this process."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, reporter: _Reporter) -> None:
        try:
            reporter.run(self._records, self._stop)
        except (OSError, StoreError) as e:
            self.error = str(e)

    def _close(self) -> None:
        self.end()
        if not self._site.store.shared():  # the last process completes the page
            try:
                self._make().finish()  # it may show what other runs have rendered meanwhile
            except (OSError, StoreError) as e:
                self.error = str(e)


class _Reporter:
    """The work of the thread: collects records and writes the status of the run, while it is this process's turn."""

    def __init__(self, site: Site, worker: Worker, turn: Turn, progress: Progress) -> None:
        self._site = site
        self._store = site.store
        self._worker = worker
        self._turn = turn
        self._progress = progress
        self._status = StatusTable(site.plan.ids)
        self._ticks = 0
        self._published = self._polled = 0.0
        self._published_changes = -1

    def run(self, records: deque[Record], stop: threading.Event) -> None:
        """Publish the status until ``stop`` is set, or wait for the turn. Raises StoreError and OSError."""
        try:
            while True:
                if self._turn.take():
                    self._report(records, stop)
                if stop.wait(CHECK):
                    return
                records.clear()  # they are in the ledger, which is read when the turn comes
        finally:
            self._turn.release()

    def _report(self, records: deque[Record], stop: threading.Event) -> None:
        """Publish the status until ``stop`` is set, or another process has taken the turn."""
        others = self._store.other_workers(self._worker)
        self._site.open()
        ledger = self._store.ledger()
        self._status.fill(ledger, self._store.finder(ledger))
        self._started, self._known_before = time.monotonic(), self._status.known
        pause = 0.0
        while not stop.wait(pause):
            if not self._turn.held():
                return
            began = time.monotonic()
            self._collect(records, others)
            if self._status.changes != self._published_changes or began - self._published >= HEARTBEAT:
                self._publish(began)
            pause = min(HEARTBEAT, max(TICK, PAUSES * (time.monotonic() - began)))
        self._collect(records, others)
        self._publish(time.monotonic())  # for workers that continue; the last worker overwrites it with the final page

    def _collect(self, records: deque[Record], others: OtherWorkers) -> None:
        while records:
            self._status.update(records.popleft())
        if time.monotonic() - self._polled >= POLL:
            self._polled = time.monotonic()
            for record in others.poll():
                self._status.update(record)

    def _publish(self, now: float) -> None:
        self._published, self._published_changes = now, self._status.changes
        self._ticks += 1
        self._site.publish(self._status, self._payload(now))

    def _payload(self, now: float) -> dict[str, Any]:
        """Progress for the page: in pictures for a single worker, in jobs of all workers otherwise."""
        progress, status = self._progress, self._status
        if len(self._store.worker_files()) <= 1:
            unit, done, total = "pictures", progress.rendered, progress.shots
            rate, left = progress.rate, progress.left
        else:
            rate = (status.known - self._known_before) / max(0.1, now - self._started)
            unit, done, total = "jobs", status.known, len(status.codes)
            left = (total - done) / rate if rate else None
        seconds = None if left is None else round(left)
        payload = {"unit": unit, "done": done, "total": total, "rate": round(rate, 3), "left": seconds}
        return payload | worker_counts(self._store.workers()) | {"tick": self._ticks}
