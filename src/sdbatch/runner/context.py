"""What all outputs of a run share: where they write, and the records of what became of each job."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from sdbatch.runner.observer import Observer
from sdbatch.runner.signals import SignalHandler
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Ledger, Record, Store, Worker
from sdbatch.store.plan_file import Plan
from sdbatch.terminal.progress import Progress

MAX_ERROR = 500  # characters
MAX_ERRORS = 20


@dataclass(slots=True)
class ResultLog:
    """Records as they come in: into the worker's file, counted, and shown."""

    worker: Worker
    progress: Progress
    observer: Observer
    done: set[str] = field(default_factory=set)
    failures: set[str] = field(default_factory=set)
    errors: list[tuple[str, str]] = field(default_factory=list)  # the first few
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, record: Record, pixels: Pixels | None = None) -> None:
        self.worker.record(record)
        with self._lock:
            (self.done if record.done else self.failures).add(record.id)
            if record.error and len(self.errors) < MAX_ERRORS:
                self.errors.append((record.id, record.error))
        self.progress.job(record.done, record.id, record.error)
        self.observer.recorded(record, pixels)

    def fail(self, job_id: str, error: str, profile: str) -> None:
        short = " ".join(error.split())[:MAX_ERROR] or "failed without a message"
        self.add(Record(job_id, "failed", profile=profile, error=short))


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all outputs of a run share."""

    plan: Plan
    store: Store
    ledger: Ledger  # as it was when the run began
    worker: Worker
    results: ResultLog
    signals: SignalHandler
    metadata: bool
    frames: bool  # videos keep theirs as PNGs
