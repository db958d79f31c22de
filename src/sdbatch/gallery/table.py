"""The records as CSV (RFC 4180): one line per job, in plan order, with all its settings.

The page exports the same columns: their names from ``columns``, their cells from ``settings`` and ``record_cells``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from sdbatch.gallery import command
from sdbatch.spec.jobs import Job
from sdbatch.store import Record, Store
from sdbatch.store.plan_file import Plan

SHOT = ("width", "height", "sampler", "steps", "guidance")
RECORD = ("status", "pixels", "file", "size", "profile", "origin", "error", "warnings")


def columns(labels: Iterable[str]) -> list[str]:
    """Names of the columns of a plan whose jobs have these ``labels``."""
    status, *rest = RECORD
    return ["id", status, "path", *map(axis, labels), "seed", *SHOT, "prompt", "negative", "motion", *rest]


def axis(label: str) -> str:
    """The column of a label."""
    return f"axis:{label}"


def settings(job: Job) -> dict[str, str]:
    """The cells that jobs of one setting share."""
    video = " ".join(command.video_overrides(job))
    size = {"width": str(job.size.width), "height": str(job.size.height)}
    return {key: str(getattr(job.shot, key)) for key in SHOT} | size | {"motion": video}


def record_cells(record: Record) -> list[str | int]:
    """The cells of a record, in the order of ``RECORD``."""
    return [" · ".join(record.warnings) if key == "warnings" else getattr(record, key) for key in RECORD]


def csv_text(plan: Plan, store: Store, more: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """A header and a line for every job; jobs without a record are ``new``. ``more``: further columns by job."""
    ledger = store.ledger()
    jobs = [plan[i] for i in range(len(plan))]
    labels = dict.fromkeys(key for job in jobs for key, _ in job.labels)
    out = io.StringIO()
    further = dict.fromkeys(column for row in (more or {}).values() for column in row)
    writer = csv.DictWriter(out, [*columns(labels), *further], restval="", lineterminator="\r\n")
    writer.writeheader()
    for job in jobs:
        row = _row(job, ledger.get(job.id), store.path_of(job, ledger))
        writer.writerow(row | dict((more or {}).get(job.id, {})))
    return out.getvalue()


def _row(job: Job, record: Record | None, path: str) -> dict[str, Any]:
    own = {"id": job.id, "path": path, "seed": job.shot.seed}
    texts = {"prompt": job.shot.prompt, "negative": job.shot.negative}
    labels = {axis(key): value for key, value in job.labels}
    found = dict(zip(RECORD, record_cells(record), strict=True)) if record else {"status": "new"}
    return own | texts | labels | settings(job) | found
