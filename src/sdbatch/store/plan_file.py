"""plan.jsonl: all jobs of the latest plan, in order. Earlier plans are stored in plans/, by digest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

from sdbatch.motion import job_spec
from sdbatch.spec.jobs import Job

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_text = json.encoder.encode_basestring_ascii
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


def is_kept(path: Path, plan: Plan, every: int = 1) -> bool:
    """Whether the file contains ``plan``. Compares only the head of each line, because the id implies the rest.

    With ``every``, path and labels of every so many lines, and all ids: enough where nothing will be rendered.
    """
    try:
        with path.open("rb") as f:
            lines = enumerate(zip_longest(f, plan.ids))
            return all(line and job_id and _matches(line, job_id, plan, i, every) for i, (line, job_id) in lines)
    except FileNotFoundError:
        return False


def kept_ids(path: Path) -> list[str]:
    """The ids of a stored plan, in order. Damaged lines are skipped."""
    with path.open("rb") as f:
        return [job_id for line in f if (job_id := id_of(line))]


def id_of(line: bytes) -> str:
    """The id of a line of a stored plan; empty for damaged lines."""
    return line[len(_HEAD) :].partition(b'"')[0].decode("ascii", "replace") if line.startswith(_HEAD) else ""


def _matches(line: bytes, job_id: str, plan: Plan, i: int, every: int) -> bool:
    head = _HEAD + job_id.encode() + b'"' if i % every else _head(plan[i])
    return line.startswith(head + b",") and line.endswith(b"}\n")


def _head(job: Job) -> bytes:
    """The JSON of id, path and labels, without its end."""
    (*shared, last) = job.labels or (("", ""),)
    labels = f"{_pairs(tuple(shared))}{_text(last[0])}:{_text(last[1])}" if job.labels else ""
    return f'{{"id":"{job.id}","path":{_text(job.path)},"labels":{{{labels}}}'.encode()


@lru_cache(maxsize=64)
def _pairs(labels: tuple[tuple[str, str], ...]) -> str:
    """Labels in JSON, each with a comma; neighbouring jobs differ in their last label only."""
    return "".join(f"{_text(key)}:{_text(value)}," for key, value in labels)
