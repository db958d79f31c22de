"""The files of the page: written atomically, and only if their contents change.

index.html             the page
gallery/plan.js        name, axes, number of jobs
gallery/jobs-000.js    jobs and their settings, a chunk a file
gallery/state.js       what became of each job; while it renders also how it goes
gallery/records-000.js the manifest's record of each job, read when a picture is opened
gallery/thumbs/        small pictures; of large plans in 256 folders
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any

from sdbatch import files
from sdbatch.config.model import ModelSettings
from sdbatch.gallery import page, thumbs
from sdbatch.gallery.index import CHUNK, PlanIndex
from sdbatch.gallery.status import StatusTable
from sdbatch.gallery.table import record_cells
from sdbatch.plan.axes import Axis
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.limits import FLAT
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Ledger, Record, Store
from sdbatch.store.plan_file import Plan

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Site:
    """The page of ``plan`` in ``store``. Methods raise StoreError if a file cannot be written.

    ``models`` (settings by ``Model.key``) are needed for the jobs' command lines, ``axes`` for the filters.
    ``watched``: a page that is open looks for changes also when it is complete.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        models: Mapping[str, ModelSettings],
        axes: Sequence[Axis] = (),
        watched: bool = False,
    ) -> None:
        self.plan = plan
        self.store = store
        self._models = models
        self._axes = axes
        self._more = {"watched": True} if watched else {}
        self._name = store.root.name
        self._digest = plan_digest(plan.ids)
        self.folder = store.root / "gallery"
        self.thumbs = thumbs.ThumbFolder(self.folder / "thumbs", len(plan) > FLAT)
        self._token = secrets.token_hex(4)
        self._numbers = count()

    def open(self) -> None:
        """Write the page and everything that the plan defines; remove data of other plans."""
        ledger = self.store.ledger()
        index = PlanIndex(self.plan, self._axes, lambda job: self.store.path_of(job, ledger), self._models)
        names = {"plan.js", "state.js"}
        for n, chunk in enumerate(index.chunks()):
            names |= {f"jobs-{n:03}.js", f"records-{n:03}.js"}
            self._script(f"jobs-{n:03}.js", chunk)
        spread = {"spread": True} if self.thumbs.spread else {}
        self._script("plan.js", index.plan(self._name) | spread)
        self._put(self.store.gallery, page.html(self._name).encode())
        self._remove_scripts(names)
        self.thumbs.arrange()

    def publish(self, status: StatusTable, live: Mapping[str, Any]) -> None:
        """Write the status during a run; ``live`` is the progress, as ``live.Live`` computes it."""
        self._script("state.js", status.data(self._digest, live))

    def thumb(self, record: Record, pixels: Pixels | None = None) -> None:
        """Write the thumbnail of a finished job, from ``pixels`` or its file. Raises ValueError if that is damaged."""
        data = thumbs.make(record, self.store.file(record), pixels)
        path = self.thumbs.path(record.id)
        files.write(path, [data], self._temporary(path.parent), durable=False)

    def finish(self, rebuild: bool = False) -> bool:
        """Write the complete page of a finished run, unless it is up to date. ``rebuild`` checks every thumbnail.

        Returns whether the page was written.
        """
        if not rebuild and self._sealed(self._seal()):
            return False
        files.make_folder(self.folder)
        with files.locked(self.folder / ".lock"):  # several processes may end at once
            if not rebuild and self._sealed(self._seal()):
                return False
            self._finish(rebuild)
        return True

    def _finish(self, rebuild: bool) -> None:
        seal = self._seal()
        self.open()
        for name in _names(self.folder):  # left by killed processes
            if name.startswith(files.TEMPORARY):
                files.remove(self.folder / name)
        ledger = self.store.ledger()
        self._thumbs(ledger, rebuild)
        status = StatusTable(self.plan.ids)
        status.fill(ledger, self.store.finder(ledger))
        for n, rows in enumerate(self._records(ledger)):
            self._script(f"records-{n:03}.js", {"at": n * CHUNK, "records": rows})
        self._script("state.js", status.data(self._digest) | self._more, f"// {seal}\n")

    def _records(self, ledger: Ledger) -> Iterator[list[Any]]:
        ids = self.plan.ids
        for start in range(0, len(ids), CHUNK):
            found = (ledger.get(i) for i in ids[start : start + CHUNK])
            yield [record_cells(record) if record else 0 for record in found]

    def _thumbs(self, ledger: Ledger, check: bool) -> None:
        """Write the missing thumbnails of finished jobs (``check``: and outdated ones), remove all others."""
        existing = self.thumbs.names()
        missing: list[Record] = []
        for record in filter(lambda r: r.done, ledger.records()):
            name = self.thumbs.name(record.id)
            if name not in existing or (check and not thumbs.shows(self.thumbs.root / name, record.pixels)):
                missing.append(record)
            existing.discard(name)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._thumb_if_possible, missing))
        for name in existing:
            files.remove(self.thumbs.root / name)

    def _thumb_if_possible(self, record: Record) -> None:
        with suppress(ValueError, OSError):  # damaged pictures are reported by the store; the page omits them
            self.thumb(record)

    def _remove_scripts(self, keep: Iterable[str]) -> None:
        """Remove data scripts that this plan does not have: chunks of a longer plan."""
        for name in _names(self.folder) - set(keep):
            if name.endswith(".js"):
                files.remove(self.folder / name)

    def _seal(self) -> str:
        """The digest of everything that the page shows: its code, the plan and the records."""
        h = blake2b(page.html(self._name).encode(), digest_size=16)
        h.update(f"{self._digest} {CHUNK} {thumbs.SIDE} {self._more or ''}".encode())
        for path in self.store.sources:
            with suppress(OSError):
                h.update(path.read_bytes())
        return f"b2:{h.hexdigest()}"

    def _sealed(self, seal: str) -> bool:
        try:
            with (self.folder / "state.js").open("rb") as f:
                return f.readline() == f"// {seal}\n".encode() and self.store.gallery.is_file()
        except OSError:
            return False

    def _script(self, name: str, data: Mapping[str, Any], head: str = "") -> None:
        """Write ``data`` as a script that passes ASCII JSON to the function ``sdbatch``."""
        kind = name.partition(".")[0].partition("-")[0]
        self._put(self.folder / name, f"{head}sdbatch({_encode(kind)},{_encode(data)});\n".encode("ascii"))

    def _put(self, path: Path, data: bytes) -> None:
        with suppress(OSError):
            if path.read_bytes() == data:
                return
        files.make_folder(self.folder)
        files.replace(path, data, lambda: self._temporary(self.folder), durable=False)

    def _temporary(self, folder: Path) -> Path:
        return folder / f"{files.TEMPORARY}{self._token}-{next(self._numbers)}"


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {e.name for e in entries}
    except FileNotFoundError:
        return set()
