"""plan.jsonl: all jobs of the latest plan, in order. Earlier plans are stored in plans/, by digest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

from sdbatch.motion import job_spec
from sdbatch.spec.jobs import Job

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_HEAD = b'{"id":"'


class Plan(Protocol):
    """The interface of plans for store and runner: jobs by position, made on demand, and their ids."""

    @property
    def ids(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Job: ...


def lines(plan: Plan) -> Iterator[bytes]:
    """The lines of plan.jsonl: id, path and labels, then the job's specification."""
    for i in range(len(plan)):
        job = plan[i]
        yield _head(job) + b"," + _encode(job_spec(job))[1:].encode() + b"\n"


def is_kept(path: Path, plan: Plan) -> bool:
    """Whether the file contains ``plan``. Compares only the head of each line, because the id implies the rest."""
    try:
        with path.open("rb") as f:
            pairs = zip_longest(f, range(len(plan)))
            return all(line and i is not None and _matches(line, plan, i) for line, i in pairs)
    except FileNotFoundError:
        return False


def kept_ids(path: Path) -> list[str]:
    """The ids of a stored plan, in order. Damaged lines are skipped."""
    with path.open("rb") as f:
        return [job_id for line in f if (job_id := id_of(line))]


def id_of(line: bytes) -> str:
    """The id of a line of a stored plan; empty for damaged lines."""
    return line[len(_HEAD) :].partition(b'"')[0].decode("ascii", "replace") if line.startswith(_HEAD) else ""


def _matches(line: bytes, plan: Plan, i: int) -> bool:
    return (
        line.startswith(_HEAD + plan.ids[i].encode()) and line.startswith(_head(plan[i]) + b",") and line[-2:] == b"}\n"
    )


def _head(job: Job) -> bytes:
    return _encode({"id": job.id, "path": job.path, "labels": dict(job.labels)})[:-1].encode()
