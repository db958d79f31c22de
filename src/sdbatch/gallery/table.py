"""The records as CSV (RFC 4180): one line a job, in plan order, with everything that decides it."""

from __future__ import annotations

import csv
import io

from sdbatch.gallery import command
from sdbatch.store import Ledger, Record
from sdbatch.store.plan_file import Plan

SETTINGS = ("seed", "width", "height", "sampler", "steps", "guidance")
RECORD = ("pixels", "file", "size", "profile", "origin", "error")


def csv_text(plan: Plan, ledger: Ledger) -> str:
    """A header and a line for every job; jobs without a record are ``new``."""
    jobs = [plan[i] for i in range(len(plan))]
    labels = list(dict.fromkeys(key for job in jobs for key, _ in job.labels))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    texts = ("prompt", "negative", "motion")
    writer.writerow(["id", "status", "path", *(f"axis:{k}" for k in labels), *SETTINGS, *texts, *RECORD, "warnings"])
    for job in jobs:
        record = ledger.get(job.id)
        at = dict(job.labels)
        video = " ".join(command.video_overrides(job.video)) if job.video else ""
        writer.writerow(
            [job.id, record.status if record else "new", job.path, *(at.get(k, "") for k in labels)]
            + [getattr(job.shot, key) for key in SETTINGS]
            + [job.shot.prompt, job.shot.negative, video, *_told(record)]
        )
    return out.getvalue()


def _told(record: Record | None) -> list[str | int]:
    if record is None:
        return [""] * (len(RECORD) + 1)
    return [*(getattr(record, key) for key in RECORD), " · ".join(record.warnings)]
