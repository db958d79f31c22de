"""What became of each job of a plan, one letter each, as the page reads it. Knows no files and no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sdbatch.store import Ledger, Record

NEW, DONE, WARNED, FAILED = b".dwf"
NOTES = 2000  # errors and warnings told live; all of them in the end


class StatusTable:
    """Letters by position in the plan, and notes (an error, or warnings) where there are some."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._at = {job_id: i for i, job_id in enumerate(ids)}
        self.letters = bytearray(b".") * len(ids)
        self.notes: dict[int, str] = {}
        self.changes = 0

    def fill(self, ledger: Ledger, intact: Callable[[Record], bool]) -> None:
        """Take in what ``ledger`` says; a done job whose file is missing is still to do."""
        for job_id in self._at:
            record = ledger.get(job_id)
            if record is not None and (not record.done or intact(record)):
                self.update(record)

    def update(self, record: Record) -> None:
        """Take in one record; other plans' are skipped."""
        i = self._at.get(record.id)
        if i is None:
            return
        note = " · ".join(record.warnings) if record.done else record.error or "failed"
        letter = FAILED if not record.done else WARNED if record.warnings else DONE
        if note:
            self.notes[i] = note
        else:
            self.notes.pop(i, None)
        self.letters[i] = letter
        self.changes += 1

    @property
    def failed(self) -> int:
        return self.letters.count(FAILED)

    @property
    def known(self) -> int:
        """Jobs that are done or failed."""
        return len(self.letters) - self.letters.count(NEW)

    def data(self, plan: str, live: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The state of the page; with ``live`` while it renders."""
        chosen = sorted(self.notes)[: NOTES if live else None]
        texts = {text: n for n, text in enumerate(dict.fromkeys(self.notes[i] for i in chosen))}
        out: dict[str, Any] = {"plan": plan, "letters": self.letters.decode("ascii")}
        if texts:
            out |= {"texts": list(texts), "notes": [[i, texts[self.notes[i]]] for i in chosen]}
        return out | ({"live": dict(live)} if live else {})
