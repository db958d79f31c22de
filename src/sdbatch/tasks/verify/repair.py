"""Replaces damaged files by newly rendered ones: first the files, then their records, then compacts the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sdbatch import files
from sdbatch.spec.file_names import companions
from sdbatch.spec.renderer import Profile
from sdbatch.store import Record, Store, Worker
from sdbatch.store.plan_file import kept_ids
from sdbatch.tasks.rerender import JobList


def restore_jobs(store: Store, made: Store, records: Iterable[Record]) -> None:
    """Copy the jobs of ``records`` from ``made`` to ``store``. Raises StoreError; jobs copied before are kept."""
    with store.worker() as worker:
        for record in records:
            for path in with_sidecars(made.file(record)):
                copy_file(path, store.root / path.relative_to(made.root), worker)
            if (profile := made.profile(record.profile)) is not None:
                store.keep_profile(worker, profile)
            worker.record(record)
        store.compact(worker, order(store))


def restore_profile(store: Store, profile: Profile) -> None:
    """Write a profile whose file is missing or was changed. Raises StoreError."""
    with store.worker() as worker:
        store.keep_profile(worker, profile)
        store.compact(worker, order(store))


def with_sidecars(path: Path) -> Iterator[Path]:
    """The sidecar files of a video (poster, metadata), then the file itself."""
    yield from filter(Path.is_file, companions(path))
    yield path


def copy_file(path: Path, to: Path, worker: Worker) -> None:
    """Copy ``path`` atomically. Raises StoreError."""
    files.make_folder(to.parent)
    part = worker.temporary(to)
    try:
        with files.store_errors(to):
            shutil.copyfile(path, part)
        worker.publish(part, to)
    finally:
        files.remove(part)


def order(store: Store) -> JobList:
    """A plan with the ids of the stored plan, which give the order of records."""
    with suppress(OSError):
        return JobList.named(kept_ids(store.plan))
    return JobList.named([])
