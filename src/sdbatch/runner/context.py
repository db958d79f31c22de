"""The state that all outputs of a run share: plan, store, worker, and the log of results."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from sdbatch.runner.observer import Observer
from sdbatch.runner.signals import SignalHandler
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Ledger, Record, Report, Store, Worker
from sdbatch.store.plan_file import Plan
from sdbatch.terminal.progress import Progress

MAX_ERROR = 500  # characters of an error in a record
MAX_ERRORS = 20  # errors kept for the summary


@dataclass(slots=True)
class ResultLog:
    """Writes each record to the worker's file, counts it, and notifies ``progress`` and ``observer``. Thread-safe.

    ``report`` is what the worker says about itself to others.
    """

    worker: Worker
    progress: Progress
    observer: Observer
    report: Report
    done: set[str] = field(default_factory=set)
    failures: set[str] = field(default_factory=set)
    errors: list[tuple[str, str]] = field(default_factory=list)  # (id, error), the first MAX_ERRORS
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, record: Record, pixels: Pixels | None = None) -> None:
        """Log ``record``; ``pixels`` are those of a picture, None for a video. Raises StoreError."""
        self.worker.record(record)
        with self._lock:
            (self.done if record.done else self.failures).add(record.id)
            self.report.done, self.report.failed = len(self.done), len(self.failures)
            if record.error and len(self.errors) < MAX_ERRORS:
                self.errors.append((record.id, record.error))
        self.progress.job(record.done, record.id, record.error)
        self.observer.recorded(record, pixels)

    def rendered(self, cost: float) -> None:
        """Count a rendered shot."""
        self.report.cost += cost
        self.progress.shot(cost)

    def fail(self, job_id: str, error: str, profile: str) -> None:
        """Log that ``job_id`` failed under ``profile`` (a digest); ``error`` is shortened to one line."""
        short = " ".join(error.split())[:MAX_ERROR] or "failed without a message"
        self.add(Record(job_id, "failed", profile=profile, error=short))


@dataclass(frozen=True, slots=True)
class RunContext:
    """The state that all outputs of a run share."""

    plan: Plan
    store: Store
    ledger: Ledger  # as of the start of the run
    worker: Worker
    results: ResultLog
    signals: SignalHandler
    metadata: bool  # whether files contain their metadata
    frames: bool  # whether the frames of videos are also stored as PNGs
