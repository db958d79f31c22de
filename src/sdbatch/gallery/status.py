"""The status of each job of a plan, one code (a byte) each, as the page reads it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sdbatch.store import Ledger, Liveness, Record, WorkerState

NEW, DONE, WARNED, FAILED = b".dwf"  # status codes
MAX_NOTES = 2000  # errors and warnings during a run; the complete page has all of them


class StatusTable:
    """Status codes by position in the plan, and notes (an error or warnings) by position.

    ``changes`` counts the updates.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._at = {job_id: i for i, job_id in enumerate(ids)}
        self.codes = bytearray(b".") * len(ids)
        self.notes: dict[int, str] = {}
        self.changes = 0

    def fill(self, ledger: Ledger, intact: Callable[[Record], bool]) -> None:
        """Update from all records; a finished job whose file is not ``intact`` counts as new."""
        for i, job_id in enumerate(self._ids):
            record = ledger.get(job_id)
            if record is not None and (not record.done or intact(record)):
                self._set(i, record)

    def update(self, record: Record) -> None:
        """Update from one record; records of other plans are ignored."""
        if (i := self._at.get(record.id)) is not None:
            self._set(i, record)

    def _set(self, i: int, record: Record) -> None:
        note = " · ".join(record.alerts) if record.done else record.error or "failed"
        code = FAILED if not record.done else WARNED if record.alerts else DONE
        if note:
            self.notes[i] = note
        else:
            self.notes.pop(i, None)
        self.codes[i] = code
        self.changes += 1

    @property
    def failed(self) -> int:
        """The number of failed jobs."""
        return self.codes.count(FAILED)

    @property
    def known(self) -> int:
        """The number of jobs that are done or failed."""
        return len(self.codes) - self.codes.count(NEW)

    def data(self, plan: str, live: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The payload of state.js: codes and notes; with ``live``, the progress, during a run."""
        chosen = sorted(self.notes)[: MAX_NOTES if live else None]
        texts = {text: n for n, text in enumerate(dict.fromkeys(self.notes[i] for i in chosen))}
        out: dict[str, Any] = {"plan": plan, "letters": self.codes.decode("ascii")}
        if texts:
            out |= {"texts": list(texts), "notes": [[i, texts[self.notes[i]]] for i in chosen]}
        return out | ({"live": dict(live)} if live else {})


def worker_counts(workers: Iterable[WorkerState]) -> dict[str, int]:
    """The numbers of running and of dead workers for the head line of the page."""
    states = [w.liveness for w in workers if not w.stopped]
    return {"workers": states.count(Liveness.ALIVE), "died": states.count(Liveness.GONE)}
