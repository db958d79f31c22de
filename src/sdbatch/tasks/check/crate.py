"""The jobs, records, profiles and weights of a research object, in a temporary folder laid out as an experiment's."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch.files import archive
from sdbatch.files.archive import Container
from sdbatch.spec.file_names import companions
from sdbatch.store import Record, Store
from sdbatch.store.folder import SOUNDS
from sdbatch.store.plan_file import kept_ids
from sdbatch.tasks.check import integrity
from sdbatch.tasks.publish.layout import INPUTS, MANIFEST, PLAN, PROFILES, WEIGHTS
from sdbatch.tasks.verify.findings import Finding


@dataclass(slots=True)
class Crate:
    """An opened research object; ``store`` holds its records without pictures. ``pictures``: it contains them."""

    container: Container
    store: Store
    ids: list[str]
    records: dict[str, Record]
    pictures: bool
    weights: list[dict[str, Any]]

    @property
    def done(self) -> list[str]:
        """Ids of the rendered jobs, in plan order."""
        return [i for i in self.ids if i in self.records and self.records[i].done]

    def findings(self) -> list[Finding]:
        """What contradicts itself in the records."""
        return integrity.records(self.container, self.records, self.ids, self.pictures)

    def take(self, job_id: str) -> None:
        """Extract the file of a job, and what lies beside it, into the store; not what is damaged. Raises OSError."""
        path = self.store.file(self.records[job_id])
        for each in (path, *companions(path)):
            name = each.relative_to(self.store.root).as_posix()
            if name in self.container.sizes:
                _extract(self.container, name, self.store.root)


def unpacked(container: Container, folder: Path) -> Crate:
    """The crate, its records extracted into ``folder``. Missing files are as empty ones. Raises OSError."""
    store = Store(folder, durable=False)
    wanted = [
        n
        for n in container.sizes
        if n in (PLAN, MANIFEST) or n.startswith((f"{PROFILES}/", f"{SOUNDS}/", f"{INPUTS}/"))
    ]
    for name in wanted:
        _extract(container, name, folder)
    ledger = store.ledger()
    records = {record.id: record for record in ledger.records()}
    ids = kept_ids(store.plan) if store.plan.is_file() else []
    folders = {record.path.partition("/")[0] for record in records.values() if record.done}
    pictures = any(name.partition("/")[0] in folders for name in container.sizes)
    return Crate(container, store, ids, records, pictures, _weights(container))


def _extract(container: Container, name: str, folder: Path) -> None:
    """Extract a file, or nothing if it is damaged: ``integrity`` reports that."""
    try:
        archive.extract(container, name, folder)
    except ValueError:
        (folder / name).unlink(missing_ok=True)


def _weights(container: Container) -> list[dict[str, Any]]:
    """What weights.json says; empty if it cannot be read."""
    with suppress(KeyError, ValueError, RecursionError):
        data = json.loads(archive.read(container, WEIGHTS, 1 << 24))
        if isinstance(data, list):
            return [w for w in data if isinstance(w, dict)]
    return []
