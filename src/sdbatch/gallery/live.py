"""Keeps the page up to date while it renders: told by the run, writes from a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from sdbatch.errors import StoreError
from sdbatch.gallery.site import Site
from sdbatch.gallery.status import StatusTable
from sdbatch.runner import Observer
from sdbatch.spec.renderer import Pixels
from sdbatch.store import OtherWorkers, Record, Worker, compact
from sdbatch.terminal.progress import Progress

TICK = 0.7  # seconds between looks
HEARTBEAT = 5.0  # seconds after which the page hears from us though nothing happened
AROUND = 2.0  # seconds between looks at other processes


class Live(Observer):
    """``error`` says why the page could not be written, if so. Pictures never fail for their page."""

    def __init__(self, site: Site, progress: Progress) -> None:
        self.error = ""
        self._site = site
        self._progress = progress
        self._news: deque[Record] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._worker: Worker | None = None

    @contextmanager
    def watching(self) -> Iterator[Live]:
        """Around a run: afterwards the page is as it stays."""
        try:
            yield self
        finally:
            self._close()

    def begin(self, worker: Worker) -> None:
        self._worker = worker
        self._thread = threading.Thread(target=self._run, args=(worker,), name="gallery", daemon=True)
        self._thread.start()

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        if record.done:
            with suppress(ValueError, OSError, StoreError):
                self._site.thumb(record, pixels)
        self._news.append(record)

    def _run(self, worker: Worker) -> None:
        try:
            _Reporter(self._site, worker, self._progress).run(self._news, self._stop)
        except (OSError, StoreError) as e:
            self.error = str(e)

    def _close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        others = self._worker is not None and not self._worker.path.exists() and self._site.store.living() > 0
        if not others:  # else the last one to end does it; without locks everyone does
            try:
                self._site.finish()
            except (OSError, StoreError) as e:
                self.error = str(e)


class _Reporter:
    """What the thread does: takes in news, tells the page how it goes."""

    def __init__(self, site: Site, worker: Worker, progress: Progress) -> None:
        self._site = site
        self._store = site.store
        self._worker = worker
        self._progress = progress
        self._status = StatusTable(site.plan.ids)
        self._ticks = 0
        self._told = self._looked = 0.0
        self._changes = -1

    def run(self, news: deque[Record], stop: threading.Event) -> None:
        others = self._store.other_workers(self._worker)
        self._site.open()
        self._status.fill(self._store.ledger(), self._store.intact)
        self._began, self._before = time.monotonic(), self._status.known
        while not stop.wait(TICK if self._ticks else 0):
            self._take_in(news, others)
            now = time.monotonic()
            due = self._status.changes != self._changes or now - self._told >= HEARTBEAT
            if due and self._is_reporter():
                self._tell(now)
        self._take_in(news, others)
        self._tell(time.monotonic())  # for those who go on; else it is written over at once

    def _take_in(self, news: deque[Record], others: OtherWorkers) -> None:
        while news:
            self._status.update(news.popleft())
        if time.monotonic() - self._looked >= AROUND:
            self._looked = time.monotonic()
            for record in others.poll():
                self._status.update(record)

    def _tell(self, now: float) -> None:
        self._told, self._changes = now, self._status.changes
        self._ticks += 1
        self._site.publish(self._status, self._how(now))

    def _how(self, now: float) -> dict[str, Any]:
        """Rate and time left: of the pictures if we render alone, else of all processes' jobs."""
        progress, status = self._progress, self._status
        if len(self._store.worker_files()) <= 1:
            unit, done, total, rate, left = (
                "pictures",
                progress.rendered,
                progress.shots,
                progress.rate,
                progress.left,
            )
        else:
            rate = (status.known - self._before) / max(0.1, now - self._began)
            unit, done, total = "jobs", status.known, len(status.letters)
            left = (total - done) / rate if rate else None
        seconds = None if left is None else round(left)
        told = {"unit": unit, "done": done, "total": total, "rate": round(rate, 3), "left": seconds}
        return told | {"tick": self._ticks}

    def _is_reporter(self) -> bool:
        """Whether ours is the first of the processes at work: one tells for all, or any of them if that one is mute."""
        before = [p for p in self._store.worker_files() if p < self._worker.path]
        with ExitStack() as stack:
            if len(compact.claim(before, None, stack)) == len(before):
                return True
        return self._site.age() > 2 * HEARTBEAT
