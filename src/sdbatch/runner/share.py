"""This process's share of a plan: the jobs that it has claimed, and the results of jobs that others have claimed.

Work is claimed in *chunks*: neighbouring pictures of one size and number of evaluations, or one whole video, since a
chain of shots cannot be divided. A chunk's name depends only on the job and on the length of the plan, so processes
that start at different times, and find different jobs done, use the same names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator

from sdbatch.spec.cost import evaluations
from sdbatch.store import Claim, Claims, Record, Report
from sdbatch.store.plan_file import Plan

POLL_INTERVAL = 2.0  # seconds between polls of other processes
MIN_CHUNKS = 1024  # far more chunks than processes, so that all processes end at about the same time
MAX_CHUNK = 64  # jobs per chunk
LOST = "another process failed to render it"


class Share:
    """``poll`` returns the records that other processes have written since its last call.

    Jobs are given by their positions in the plan.
    """

    def __init__(self, plan: Plan, claims: Claims, poll: Callable[[], Iterator[Record]]) -> None:
        self.done: set[str] = set()  # ids recorded since the start of the run, by any process
        self.failed: dict[str, str] = {}  # id -> error, of other processes
        self.needed: Container[str] = ()  # ids whose records are kept
        self.records: dict[str, Record] = {}
        self.scope = ""  # prefix of chunk names; with retry=profile each profile has claims of its own
        self._plan = plan
        self._claims = claims
        self._poll = poll
        self._size = max(1, min(MAX_CHUNK, len(plan) // MIN_CHUNKS))
        self._refreshed = time.monotonic()

    @property
    def report(self) -> Report:
        """What this process says about itself to others."""
        return self._claims.report

    def finished(self, i: int) -> bool:
        """Whether job ``i`` is done, or another process has failed at it."""
        job_id = self._plan.ids[i]
        return job_id in self.done or job_id in self.failed

    def claim(self, i: int) -> bool | None:
        """Claim job ``i``: True if it is ours, False if another process renders it, None if it is finished."""
        if self.finished(i):
            return None
        claim = self._claims.take(self.scope + self._chunk(i))
        if claim in (Claim.OURS, Claim.THEIRS):
            return claim is Claim.OURS
        self.refresh()  # reads what the former owner recorded
        if claim is Claim.ENDED and not self.finished(i):
            self.failed[self._plan.ids[i]] = LOST
        return None if self.finished(i) else True

    def _chunk(self, i: int) -> str:
        job_id = self._plan.ids[i]
        if self._size == 1:
            return job_id
        job = self._plan[i]
        if job.video is not None:
            return job_id
        return f"{job.shot.width}x{job.shot.height}-{evaluations(job.shot)}-{i // self._size}"

    def refresh(self) -> None:
        """Read the records that other processes have written."""
        self._refreshed = time.monotonic()
        for record in self._poll():
            if not record.done:
                self.failed.setdefault(record.id, record.error)
                continue
            self.done.add(record.id)
            self.failed.pop(record.id, None)
            if record.id in self.needed:
                self.records[record.id] = record

    def refresh_if_due(self) -> None:
        """The same, at most once per POLL_INTERVAL."""
        if time.monotonic() - self._refreshed >= POLL_INTERVAL:
            self.refresh()
