"""The folders of several experiments as one, for a page that shows them together. Only the page is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sdbatch.spec.jobs import Job
from sdbatch.store import Ledger, Record, Store


class Records(Ledger):
    """The records of several ledgers."""

    def __init__(self, found: dict[str, Record]) -> None:
        super().__init__((), lambda record: True)
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._found

    def get(self, job_id: str) -> Record | None:
        return self._found.get(job_id)

    def records(self) -> Iterator[Record]:
        return iter(self._found.values())


@dataclass(frozen=True, slots=True)
class Stores(Store):
    """The folders ``names`` beside ``root``, which is the folder of the page. Paths are relative to the page."""

    names: tuple[str, ...] = ()

    @property
    def sources(self) -> list[Path]:
        return [path for name in self.names for path in self._store(name).sources]

    def ledger(self) -> Ledger:
        """A job that several experiments have rendered has the record of the first one that has its file."""
        found: dict[str, Record] = {}
        for name in self.names:
            for record in self._store(name).ledger().records():
                if record.id not in found or (record.done and not found[record.id].done):
                    found[record.id] = replace(record, path=f"../{name}/{record.path}")
        return Records(found)

    def finder(self, ledger: Ledger) -> Callable[[Record], bool]:
        return self.intact

    def path_of(self, job: Job, ledger: Ledger) -> str:
        record = ledger.get(job.id)
        return record.path if record is not None and record.done else f"../{dict(job.labels)['experiment']}/{job.path}"

    def _store(self, name: str) -> Store:
        return Store(self.root.parent / name)
