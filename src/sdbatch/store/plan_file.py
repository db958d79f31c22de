"""plan.jsonl: every job of the plan that was rendered last, in order; plans before it stay in plans/, by digest."""

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
    """What the store and the runner ask of a plan: jobs by position, made on demand, and their ids."""

    @property
    def ids(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Job: ...


def lines(plan: Plan) -> Iterator[bytes]:
    """plan.jsonl's lines: id, path and labels, then all that decides the job."""
    for i in range(len(plan)):
        job = plan[i]
        yield _head(job) + b"," + _encode(job_spec(job))[1:].encode() + b"\n"


def is_kept(path: Path, plan: Plan) -> bool:
    """Whether the file says ``plan`` already. The head of a line tells: an id stands for all that decides the job."""
    try:
        with path.open("rb") as f:
            pairs = zip_longest(f, range(len(plan)))
            return all(line and i is not None and _says(line, plan, i) for line, i in pairs)
    except FileNotFoundError:
        return False


def kept_ids(path: Path) -> list[str]:
    """The ids that a kept plan names, in order; lines that are none are skipped."""
    with path.open("rb") as f:
        return [job_id for line in f if (job_id := id_of(line))]


def id_of(line: bytes) -> str:
    """The id that a line of a kept plan begins with; empty for what is no such line."""
    return line[len(_HEAD) :].partition(b'"')[0].decode("ascii", "replace") if line.startswith(_HEAD) else ""


def _says(line: bytes, plan: Plan, i: int) -> bool:
    return (
        line.startswith(_HEAD + plan.ids[i].encode()) and line.startswith(_head(plan[i]) + b",") and line[-2:] == b"}\n"
    )


def _head(job: Job) -> bytes:
    return _encode({"id": job.id, "path": job.path, "labels": dict(job.labels)})[:-1].encode()
