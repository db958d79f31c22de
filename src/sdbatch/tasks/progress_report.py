"""How far an experiment is, and what each of its workers does: read from the shared folder alone, on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sdbatch.plan import division
from sdbatch.spec.canonical import plan_digest
from sdbatch.store import TO_RENDER, Ledger, Liveness, Store, WorkerState
from sdbatch.store.plan_file import Plan
from sdbatch.tasks.plan_table import SHOWN, duration

SILENT = 15.0  # seconds without a heartbeat that are reported: three beats


@dataclass(frozen=True, slots=True)
class Progress:
    """``seconds_left`` is None while no worker has rendered anything. ``rate``: jobs per second of the running workers.

    ``waiting``: workers in the queue of a cluster, if that was asked. ``errors``: some (id, error).
    """

    name: str
    jobs: int
    done: int
    failed: int
    rate: float
    seconds_left: float | None
    workers: tuple[WorkerState, ...] = ()
    waiting: int = 0
    errors: tuple[tuple[str, str], ...] = field(default=())

    @property
    def left(self) -> int:
        """The number of jobs that are neither done nor failed."""
        return self.jobs - self.done - self.failed

    @property
    def running(self) -> int:
        """The number of running workers."""
        return sum(1 for w in self.workers if w.liveness is Liveness.ALIVE)

    def line(self) -> str:
        """``x: 12/48 done, 2 failed, 3 workers, 1.3/s, 28 s left``"""
        parts = [f"{self.name}: {self.done:,}/{self.jobs:,} done"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.running} worker{'' if self.running == 1 else 's'}"]
        parts += [f"{self.waiting} waiting"] if self.waiting else []
        parts += [f"{self.rate:.2f}/s"] if self.rate else []
        parts += [f"{duration(self.seconds_left)} left"] if self.seconds_left is not None and self.left else []
        return ", ".join(parts)

    def data(self) -> dict[str, Any]:
        """The same as JSON-compatible data."""
        seconds = None if self.seconds_left is None else round(self.seconds_left, 1)
        return {
            "name": self.name,
            "jobs": {"total": self.jobs, "done": self.done, "failed": self.failed, "left": self.left},
            "per_second": round(self.rate, 3),
            "seconds_left": seconds,
            "workers": [_worker(w) for w in self.workers],
            "errors": [{"id": job_id, "error": error} for job_id, error in self.errors],
        }


class Tally:
    """Follows the records of one plan; ``part`` of it counts."""

    def __init__(self, name: str, plan: Plan, store: Store, part: Sequence[int]) -> None:
        self._name = name
        self._store = store
        self._scope = f"{plan_digest(plan.ids)}-"
        self._total = len(part)
        self._others = store.other_workers()  # before the ledger is read, so that no record is missed
        ledger = store.ledger()
        states = store.states(plan, ledger)
        todo = list(states.where(*TO_RENDER, part=part))
        costs = division.kinds(plan).costs()[todo].tolist()
        self._manifest = self._version()
        self._left = {plan.ids[i]: cost for i, cost in zip(todo, costs, strict=True)}
        self._failed = self._failures(ledger)

    def read(self, waiting: int = 0) -> Progress:
        """The progress now."""
        for record in self._others.poll():
            if record.id not in self._left:
                continue
            if record.done:
                del self._left[record.id]
                self._failed.pop(record.id, None)
            else:
                self._failed[record.id] = record.error
        if (version := self._version()) != self._manifest:  # workers that have ended put their records there
            self._manifest = version
            self._failed.update(self._failures(self._store.ledger()))
        workers = tuple(w for w in self._store.workers() if w.scope.startswith(self._scope))
        done, failed = self._total - len(self._left), len(self._failed)
        errors = tuple(list(self._failed.items())[:SHOWN])
        rate = sum(w.report.done / w.seconds for w in workers if _counts(w))
        return Progress(self._name, self._total, done, failed, rate, self._time(workers), workers, waiting, errors)

    def _version(self) -> tuple[int, int]:
        """Which manifest is there: it is replaced as a whole."""
        try:
            found = self._store.manifest.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def _failures(self, ledger: Ledger) -> dict[str, str]:
        """The errors of the jobs that are left and whose last record is a failure."""
        records = ((job_id, ledger.get(job_id)) for job_id in self._left)
        return {job_id: record.error for job_id, record in records if record is not None and not record.done}

    def _time(self, workers: Iterable[WorkerState]) -> float | None:
        """The estimated time left: what is left, over the rates of the running workers since their starts."""
        work = sum(work for job_id, work in self._left.items() if job_id not in self._failed)
        rates = [w.report.cost / w.seconds for w in workers if _counts(w)]
        return work / sum(rates) if sum(rates) else None


def _counts(worker: WorkerState) -> bool:
    """Whether the worker contributes to the rate."""
    return worker.liveness is Liveness.ALIVE and worker.seconds > 0


def _worker(worker: WorkerState) -> dict[str, Any]:
    report = worker.report
    running = worker.liveness is Liveness.ALIVE
    return {
        "worker": worker.token,
        "job": report.label,
        "host": report.host,
        "pid": report.pid,
        "state": state(worker),
        "done": report.done,
        "failed": report.failed,
        "per_second": round(report.done / worker.seconds, 3) if worker.seconds else 0.0,
        "chunk": report.chunk if running else "",
        "seconds": round(worker.seconds, 1),
        "silent_seconds": round(worker.age, 1),
    }


def state(worker: WorkerState) -> str:
    """The state of a worker in a word."""
    if worker.liveness is Liveness.ALIVE:
        return "draining" if worker.report.draining else "running"
    if worker.stopped:
        return "stopped"
    return "ended" if worker.liveness is Liveness.ENDED else "died"


def table(found: Sequence[Progress]) -> RenderableType:
    """The progress as text for a terminal."""
    parts: list[RenderableType] = []
    for progress in found:
        parts.append(Text(progress.line()))
        parts += [_table(progress.workers)] if progress.workers else []
        parts += [Text(f"  failed {job_id}: {error}", style="red") for job_id, error in progress.errors]
    return Group(*parts)


def _table(workers: Sequence[WorkerState]) -> Table:
    out = Table(box=None, padding=(0, 2, 0, 2))
    for title in ("worker", "host", "state", "done", "failed", "rate", "renders"):
        out.add_column(title, header_style="dim", justify="right" if title in ("done", "failed", "rate") else "left")
    for worker in workers:
        shown = _worker(worker)
        words = shown["state"]
        if worker.liveness is Liveness.ALIVE and worker.age > SILENT:
            words += f", silent for {duration(worker.age)}"
        counts = (f"{shown['done']:,}", f"{shown['failed']:,}", f"{shown['per_second']:.2f}/s")
        cells = (shown["job"] or shown["worker"], shown["host"], words, *counts, shown["chunk"])
        out.add_row(*(Text(cell) for cell in cells))
    return out


def show(found: Sequence[Progress], console: Console) -> None:
    """Print the progress once."""
    console.print(table(found), highlight=False, soft_wrap=True)
