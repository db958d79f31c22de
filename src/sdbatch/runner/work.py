"""The jobs to render, as a :class:`sdbatch.spec.renderer.Feed` of ready shots.

Holds integers, not jobs: a *unit* is one shot of a job, ``position in the plan << 20 | index of the shot``, 8 bytes. A
shot that several jobs need is rendered once.

A unit is claimed when it is popped. Units that another process has claimed are deferred and checked again when nothing
else is left: by then they are done, or their process has ended and this one takes them over.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Container, Iterable, Iterator
from functools import lru_cache

from sdbatch import motion
from sdbatch.runner.dependencies import Dependencies
from sdbatch.runner.inputs import Inputs
from sdbatch.runner.queue import WorkQueue
from sdbatch.runner.share import Share
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.runner.signals import SignalHandler
from sdbatch.spec.cost import cost
from sdbatch.spec.cost import evaluations as length
from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Bucket, Pixels, Renderer
from sdbatch.store.plan_file import Plan

_BITS = 20
_MASK = (1 << _BITS) - 1
_WRITE = _MASK  # instead of a shot's index: all shots are stored, only the job is to be written


class Work:
    """The jobs of this process's ``share`` that are not done. Thread-safe."""

    def __init__(
        self, plan: Plan, cache: ShotCache, signals: SignalHandler, share: Share, inputs: Inputs | None = None
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._inputs = inputs or Inputs({})
        self._signals = signals
        self._share = share
        self._lock = threading.RLock()
        self._queue = WorkQueue()
        self._dependencies = Dependencies(share.finished)
        share.needed = self._dependencies
        self._deferred = array("q")  # units that other processes have claimed
        self._complete: deque[int] = deque()  # jobs whose shots are all stored
        self._in_flight: dict[str, int] = {}
        self._suspects: deque[int] = deque()  # were in flight when the renderer crashed: rendered one at a time
        self._one_at_a_time = False
        self._appeared: list[str] = []
        self._dropped = (0, 0.0)
        self._shots = lru_cache(maxsize=8)(lambda i: motion.shots(plan[i]))
        self.shots = 0
        self.cost = 0.0
        self.videos = 0

    def scan(self, positions: Iterable[int], renderer: Renderer) -> None:
        """Add the jobs at ``positions``, with the buckets of ``renderer``."""
        self._bucket = renderer.bucket
        plain = array("q")
        for i in positions:
            job = self._plan[i]
            if job.video is None and self._cache.had(job.id):
                self._complete.append(i)
            elif job.video is not None or job.passes:
                self.videos += job.video is not None
                if not self._add_several(i):
                    self._complete.append(i)
            else:
                self._add(i << _BITS, job.shot, length(job.shot), self._share.rank(i))
                plain.append(i)
        self._dependencies.share((self._plan.ids[i], i) for i in plain)
        for i in self._dependencies.shared.values():  # is in the queue twice, and rendered once
            self.shots -= 1
            self.cost -= cost(self._plan[i].shot)
        self._queue.sort(self._share.shift)

    def take(self, bucket: Bucket | None = None, but: Container[Bucket] = ()) -> Shot | None:
        with self._signals.uninterruptible(), self._lock:
            self._share.refresh_if_due()
            if self._signals.draining:
                self._share.report.draining = True
                return None
            if self._one_at_a_time and self._in_flight:
                return None
            self._one_at_a_time = bool(self._suspects)
            if self._suspects:
                return self._start(self._suspects.popleft())
            while (unit := self._queue.pop(bucket, but)) is not None:
                if self._should_render(unit):
                    return self._start(unit)
            return None

    def waiting(self) -> dict[Bucket, int]:
        with self._lock:
            return self._queue.waiting()

    def picture(self, shot_id: str) -> Pixels:
        return self._cache.load(shot_id)

    def input(self, picture: InputPicture) -> Pixels:
        return self._inputs.pixels(picture)

    @property
    def busy(self) -> bool:
        """Whether shots are in flight."""
        return bool(self._in_flight)

    def arrived(self, shot: Shot, pixels: Pixels) -> tuple[int | None, bool]:
        """A shot is rendered; returns (position of its picture job or None, whether other shots or videos need it)."""
        with self._lock:
            i = self._in_flight.pop(shot.id) >> _BITS
            if needed := shot.id in self._dependencies:
                self._cache.hold(shot.id, pixels)
                self._queue.wake(shot.id)
            own = shot.id == self._plan.ids[i] or not self._dependencies.has_several(i)
            return i if own else None, needed

    def stored(self, shot_id: str, written: int | None = None) -> list[int]:
        """A shot is on disk, as the file of job ``written`` if it is one.

        Returns the other jobs whose shots are now all stored and that this process writes.
        """
        with self._lock:
            return [i for i in self._dependencies.stored(shot_id) if i != written and self._ours(i)]

    def complete(self) -> Iterator[int]:
        """Jobs whose shots are all stored and that only need to be written; claims each before it is yielded."""
        while self._complete and not self._signals.draining:
            i = self._complete.popleft()
            with self._lock:
                ours = self._ours(i)
            if ours:
                yield i

    def failed(self, shot_id: str) -> list[int]:
        """A shot failed; returns the jobs that fail with it. Shots that only those jobs need are not rendered."""
        with self._lock:
            unit = self._in_flight.pop(shot_id, None)
            self._cache.drop(shot_id)
            videos = self._dependencies.failed(shot_id)
            still = self._dependencies.shared.get(shot_id) if unit is None else unit >> _BITS
            return videos if still is None or self._dependencies.has_several(still) else [still, *videos]

    def crashed(self) -> str | None:
        """The renderer crashed: returns the shot in flight if it is the only one, else retries each of them alone."""
        with self._lock:
            if len(self._in_flight) == 1:
                return next(iter(self._in_flight))
            self._suspects.extend(self._in_flight.values())
            self._in_flight.clear()
            return None

    def appeared(self) -> list[str]:
        """Shots that another process has stored since the last call."""
        with self._lock:
            found, self._appeared = self._appeared, []
            return found

    def dropped(self) -> tuple[int, float]:
        """(number, cost) of the shots that are not needed any more, since the last call."""
        with self._lock:
            found, self._dropped = self._dropped, (0, 0.0)
            return found

    def others(self) -> bool:
        """Whether other processes had claimed units at the last check; checks again, and queues those that are free."""
        with self._lock:
            units, self._deferred = self._deferred, array("q")
            if units:
                self._share.refresh_if_due(0)
            for unit in units:
                if unit & _MASK == _WRITE:
                    self._complete.append(unit >> _BITS)
                elif self._may_render(unit):
                    self._queue.requeue(self._bucket(self._shot(unit)), unit)
            return bool(units)

    def _may_render(self, unit: int) -> bool:
        """Whether to queue a deferred unit again. A picture is claimed when its turn comes, so that all share them."""
        i = unit >> _BITS
        if self._dependencies.has_several(i) or self._share.finished(i):
            return self._should_render(unit)
        if not (free := self._share.is_open(i)):
            self._deferred.append(unit)
        return free

    def unfinished(self) -> tuple[list[str], list[int]]:
        """After the renderer has ended: shots without a result, and videos that still wait for shots."""
        with self._lock:
            return list(self._in_flight), self._dependencies.waiting()

    def _add_several(self, i: int) -> bool:
        """Add a job of several shots; whether it needs shots that are not stored. A picture needs those after the last
        stored one."""
        shots = list(enumerate(self._shots(i)))
        if self._plan[i].video is None:
            shots = shots[max((k + 1 for k, s in shots if self._cache.had(s.id)), default=0) :]
        missing = {s.id: (k, s) for k, s in shots if not self._cache.had(s.id)}
        chain = sum(length(s) for _, s in missing.values() if s.parents)
        for shot_id in self._dependencies.add(i, missing):
            k, shot = missing[shot_id]
            self._add(i << _BITS | k, shot, length(shot) + chain, self._share.rank(i))
        return bool(missing)

    def _add(self, unit: int, shot: Shot, weight: float, rank: int) -> None:
        parents = tuple(p for p in shot.parents if not self._cache.had(p))
        self._queue.add(self._bucket(shot), unit, parents, weight, rank)
        self.shots += 1
        self.cost += cost(shot)

    def _shot(self, unit: int) -> Shot:
        i, k = unit >> _BITS, unit & _MASK
        return self._shots(i)[k] if self._dependencies.has_several(i) else self._plan[i].shot

    def _start(self, unit: int) -> Shot:
        shot = self._shot(unit)
        self._in_flight[shot.id] = unit
        return shot

    def _should_render(self, unit: int) -> bool:
        """Claim ``unit``; whether this process renders it now."""
        i = unit >> _BITS
        ours: bool | None = False
        if self._dependencies.has_several(i):
            ours = self._claim_shot(unit)
        elif self._share.finished(i) or not self._share.is_taken(i):
            ours = self._claim_still(i)
        if ours is False:
            self._deferred.append(unit)
        elif ours is None and not self._is_shared(unit):
            count, spared = self._dropped
            self._dropped = count + 1, spared + cost(self._shot(unit))
        return bool(ours)

    def _claim_still(self, i: int) -> bool | None:
        """Claim picture job ``i``: True if it is ours, False if another process's, None if it needs no rendering."""
        job_id = self._plan.ids[i]
        if (ours := self._share.claim(i)) is not None or job_id not in self._dependencies.shared:
            return ours
        if (record := self._share.records.get(job_id)) is not None:
            self._cache.stored(job_id, record)
        return None if self._stored_elsewhere(job_id) else True  # videos need it under our profile

    def _is_shared(self, unit: int) -> bool:
        """Whether ``unit`` is a shot of a job of several that the unit of a picture job renders."""
        return self._dependencies.has_several(unit >> _BITS) and self._shot(unit).id in self._dependencies.shared

    def _claim_shot(self, unit: int) -> bool | None:
        """The same for a shot of a job of several: it belongs to the first of them that waits for it."""
        if self._is_shared(unit):
            return None
        shot_id, ours = self._shot(unit).id, None
        while ours is None and (video := self._dependencies.owner(shot_id)) is not None:
            ours = self._share.claim(video)
        return None if ours is None or self._stored_elsewhere(shot_id) else ours

    def _stored_elsewhere(self, shot_id: str) -> bool:
        """Whether another process has stored the shot."""
        if stored := self._cache.has(shot_id):
            self._appeared.append(shot_id)
            self._queue.wake(shot_id)
        return stored

    def _ours(self, i: int) -> bool:
        """Claim job ``i`` for writing; a job of another process is deferred."""
        if (ours := self._share.claim(i)) is False:
            self._deferred.append(i << _BITS | _WRITE)
        return bool(ours)
