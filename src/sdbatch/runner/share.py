"""This process's share of a plan: the jobs that it has claimed, and the results of jobs that others have claimed.

Work is claimed in chunks (``plan.division``), which depend on the plan alone, so processes that start at different
times, and find different jobs done, use the same ones. The first process takes them in order; each of the others takes
chunks of about the same size in an order of its own, so that they rarely want the same one. A chunk of a process that
died is taken over job by job, so that all who are idle share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator
from zlib import crc32

from sdbatch.plan.division import Chunks
from sdbatch.store import Claim, Claims, Record, Report
from sdbatch.store.plan_file import Plan

POLL_INTERVAL = 2.0  # seconds between polls of other processes
POLL_SHARE = 20  # polls take at most 1/POLL_SHARE of the time, if one takes longer than QUICK seconds
QUICK = 0.05
LOST = "another process failed to render it"


class Share:
    """``poll`` returns the records that other processes have written since its last call.

    Jobs are given by their positions in the plan.
    """

    def __init__(self, plan: Plan, claims: Claims, poll: Callable[[], Iterator[Record]], chunks: Chunks) -> None:
        self.done: set[str] = set()  # ids recorded since the start of the run, by any process
        self.failed: dict[str, str] = {}  # id -> error, of other processes
        self.needed: Container[str] = ()  # ids whose records are kept
        self.records: dict[str, Record] = {}
        self.scope = ""  # prefix of chunk names; with retry=profile each profile has claims of its own
        self._plan = plan
        self._claims = claims
        self._poll = poll
        self._chunks = chunks
        self._orphans: set[str] = set()  # chunks of dead processes, which are claimed job by job
        self.shift = 0 if claims.first else crc32(claims.token.encode())  # processes begin with different models
        self._ranks = chunks.ranks(None if claims.first else self.shift)
        self._refreshed = time.monotonic()
        self._pause = 0.0

    @property
    def report(self) -> Report:
        """What this process says about itself to others."""
        return self._claims.report

    def finished(self, i: int) -> bool:
        """Whether job ``i`` is done, or another process has failed at it."""
        job_id = self._plan.ids[i]
        return job_id in self.done or job_id in self.failed

    def rank(self, i: int) -> int:
        """The place of job ``i`` among jobs that take equally long: smaller is earlier, larger chunks come first."""
        return int(self._ranks[self._chunks.of[i]])

    def claim(self, i: int) -> bool | None:
        """Claim job ``i``: True if it is ours, False if another process renders it, None if it is finished."""
        if self.finished(i):
            return None
        chunk = self._chunk(i)
        single = self._chunks.sizes[self._chunks.of[i]] == 1
        claim = self._claims.take(chunk, whole=single)
        if claim is Claim.ORPHANED:
            if chunk not in self._orphans:
                self._orphans.add(chunk)
                self.refresh()  # reads what the former owner recorded
                if self.finished(i):
                    return None
            claim = self._claims.take(f"{chunk}-{i}")
        if claim in (Claim.OURS, Claim.THEIRS):
            return claim is Claim.OURS
        self.refresh()
        if claim is Claim.ENDED and not self.finished(i):
            self.failed[self._plan.ids[i]] = LOST
        return None if self.finished(i) else True

    def is_taken(self, i: int) -> bool:
        """Whether another process had claimed job ``i`` when we last looked; asks no file."""
        chunk = self._chunk(i)
        return self._claims.is_taken(chunk) or (chunk in self._orphans and self._claims.is_taken(f"{chunk}-{i}"))

    def is_open(self, i: int) -> bool:
        """Whether job ``i`` can be claimed now, because nobody has claimed it or its owner does not live any more."""
        chunk = self._chunk(i)
        return self._claims.is_open(chunk) and (chunk not in self._orphans or self._claims.is_open(f"{chunk}-{i}"))

    def _chunk(self, i: int) -> str:
        return f"{self.scope}c{self._chunks.of[i]}"

    def refresh(self) -> None:
        """Read the records that other processes have written."""
        began = time.monotonic()
        for record in self._poll():
            if not record.done:
                self.failed.setdefault(record.id, record.error)
                continue
            self.done.add(record.id)
            self.failed.pop(record.id, None)
            if record.id in self.needed:
                self.records[record.id] = record
        self._refreshed = time.monotonic()
        took = self._refreshed - began
        self._pause = POLL_SHARE * took if took > QUICK else 0.0

    def refresh_if_due(self, interval: float = POLL_INTERVAL) -> bool:
        """The same, at most once per ``interval`` seconds, and less often where it takes long; whether it did."""
        if due := time.monotonic() - self._refreshed >= max(interval, self._pause):
            self.refresh()
        return due
