"""This process's share of a plan: what it has claimed, and what became of the jobs that others have claimed.

Work is claimed in *chunks*: pictures of one size and length that are neighbours in the plan, and videos whole, since a
chain of shots cannot be divided. A chunk's name follows from a job and the length of the plan alone, so processes that
begin at different times, and find different jobs done, agree on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator

from sdbatch.spec.cost import evaluations
from sdbatch.store import Claim, Claims, Record
from sdbatch.store.plan_file import Plan

LOOK_AROUND = 2.0  # seconds between looks at what other processes have finished
MANY = 1024  # chunks: so many more than processes that the last ones to end do so together
LARGEST = 64  # jobs in one
LOST = "another process could not make it"


class Share:
    """``news`` tells what other processes record. Jobs are positions in the plan."""

    def __init__(self, plan: Plan, claims: Claims, news: Callable[[], Iterator[Record]]) -> None:
        self.done: set[str] = set()  # recorded since we began, by whomever
        self.failed: dict[str, str] = {}  # by others: id -> error
        self.wanted: Container[str] = ()  # ids whose records are kept
        self.records: dict[str, Record] = {}
        self.scope = ""  # set where only records of one profile count: other profiles claim for themselves
        self._plan = plan
        self._claims = claims
        self._news = news
        self._size = max(1, min(LARGEST, len(plan) // MANY))
        self._looked = time.monotonic()

    def over(self, i: int) -> bool:
        """Whether job ``i`` is done by now, or another process has failed at it."""
        job_id = self._plan.ids[i]
        return job_id in self.done or job_id in self.failed

    def claim(self, i: int) -> bool | None:
        """Claim job ``i``: True if it is ours, False if another process is at it, None if it is over."""
        if self.over(i):
            return None
        claim = self._claims.take(self.scope + self._chunk(i))
        if claim in (Claim.OURS, Claim.THEIRS):
            return claim is Claim.OURS
        self.look()  # what its former owner recorded
        if claim is Claim.ENDED and not self.over(i):
            self.failed[self._plan.ids[i]] = LOST
        return None if self.over(i) else True

    def _chunk(self, i: int) -> str:
        job_id = self._plan.ids[i]
        if self._size == 1:
            return job_id
        job = self._plan[i]
        if job.video is not None:
            return job_id
        return f"{job.shot.width}x{job.shot.height}-{evaluations(job.shot)}-{i // self._size}"

    def look(self) -> None:
        """Take in what others have recorded."""
        self._looked = time.monotonic()
        for record in self._news():
            if not record.done:
                self.failed.setdefault(record.id, record.error)
                continue
            self.done.add(record.id)
            self.failed.pop(record.id, None)
            if record.id in self.wanted:
                self.records[record.id] = record

    def look_around(self) -> None:
        """The same, but not more often than is useful."""
        if time.monotonic() - self._looked >= LOOK_AROUND:
            self.look()
