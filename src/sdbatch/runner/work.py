"""What is to be rendered; hands out what is ready. A :class:`sdbatch.spec.renderer.Feed`.

Holds numbers, not jobs: a *unit* is a shot of a job, ``position in the plan << 20 | number of the shot``. A shot that
several jobs need is rendered once. Videos name their shots here; 100,000 stills cost 8 bytes each.

A unit is claimed when its turn comes. What another process has claimed is set aside, and looked at again when there
is nothing else to do: by then it is done, or its process is gone and we take it.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from sdbatch import motion
from sdbatch.runner.dependencies import Dependencies
from sdbatch.runner.queue import WorkQueue
from sdbatch.runner.share import Share
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.runner.signals import SignalHandler
from sdbatch.runner.timings import cost
from sdbatch.spec.cost import evaluations as length
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Pixels, Renderer
from sdbatch.store.plan_file import Plan

_BITS = 20
_MASK = (1 << _BITS) - 1
_WRITE = _MASK  # in place of a shot's number: all shots are stored, the job is only to be written


class Work:
    """The jobs that are to be rendered, as far as they are in our ``share``."""

    def __init__(self, plan: Plan, cache: ShotCache, signals: SignalHandler, share: Share) -> None:
        self._plan = plan
        self._cache = cache
        self._signals = signals
        self._share = share
        self._lock = threading.RLock()
        self._queue = WorkQueue()
        self._dependencies = Dependencies(share.over)
        share.wanted = self._dependencies
        self._others = array("q")  # units that other processes have claimed
        self._complete: deque[int] = deque()  # jobs whose shots are all stored
        self._in_flight: dict[str, int] = {}
        self._alone: deque[int] = deque()  # suspected of having crashed the renderer: one at a time
        self._solo = False
        self._appeared: list[str] = []
        self._dropped = (0, 0.0)
        self._shots = lru_cache(maxsize=8)(lambda i: motion.shots(plan[i]))
        self.shots = 0
        self.cost = 0.0

    def scan(self, positions: Iterable[int], renderer: Renderer) -> None:
        """Take in the jobs at ``positions``."""
        self._bucket = renderer.bucket
        plain = array("q")
        for i in positions:
            job = self._plan[i]
            if job.video is not None:
                if not self._add_video(i):
                    self._complete.append(i)
            elif self._cache.has(job.id):
                self._complete.append(i)
            else:
                self._add(i << _BITS, job.shot, length(job.shot))
                plain.append(i)
        self._dependencies.share((self._plan.ids[i], i) for i in plain)
        self._queue.sort()

    def take(self, bucket: Bucket | None = None, but: Collection[Bucket] = ()) -> Shot | None:
        with self._signals.uninterruptible(), self._lock:
            self._share.look_around()
            if self._solo and self._in_flight:
                return None
            self._solo = bool(self._alone)
            if self._alone:
                return self._start(self._alone.popleft())
            while (unit := self._queue.pop(bucket, but)) is not None:
                if self._wanted(unit):
                    return self._start(unit)
            return None

    def picture(self, shot_id: str) -> Pixels:
        return self._cache.load(shot_id)

    @property
    def busy(self) -> bool:
        """Whether the renderer has shots in hand."""
        return bool(self._in_flight)

    def arrived(self, shot: Shot, pixels: Pixels) -> tuple[int | None, bool]:
        """A shot is rendered; returns (the picture job that it is, whether videos need it)."""
        with self._lock:
            i = self._in_flight.pop(shot.id) >> _BITS
            if wanted := shot.id in self._dependencies:
                self._cache.hold(shot.id, pixels)
                self._queue.wake(shot.id)
            return None if self._dependencies.is_video(i) else i, wanted

    def stored(self, shot_id: str) -> list[int]:
        """A shot is on disk; returns the videos that are complete now, and ours to write."""
        with self._lock:
            return [i for i in self._dependencies.stored(shot_id) if self._ours(i)]

    def complete(self) -> Iterator[int]:
        """Jobs to write whose shots are all stored, each claimed as it is asked for."""
        while self._complete:
            i = self._complete.popleft()
            with self._lock:
                ours = self._ours(i)
            if ours:
                yield i

    def failed(self, shot_id: str) -> list[int]:
        """A shot cannot be made; returns the jobs that fail with it. What only they need is not rendered."""
        with self._lock:
            unit = self._in_flight.pop(shot_id, None)
            self._cache.drop(shot_id)
            videos = self._dependencies.failed(shot_id)
            still = self._dependencies.shared.get(shot_id) if unit is None else unit >> _BITS
            return videos if still is None or self._dependencies.is_video(still) else [still, *videos]

    def crashed(self) -> str | None:
        """The renderer fell over what it had in hand: with one shot that is the culprit, else each is tried alone."""
        with self._lock:
            if len(self._in_flight) == 1:
                return next(iter(self._in_flight))
            self._alone.extend(self._in_flight.values())
            self._in_flight.clear()
            return None

    def appeared(self) -> list[str]:
        """Shots that another process has stored since the last call."""
        with self._lock:
            found, self._appeared = self._appeared, []
            return found

    def dropped(self) -> tuple[int, float]:
        """How many shots need not be rendered any more since the last call, and what they would have cost."""
        with self._lock:
            found, self._dropped = self._dropped, (0, 0.0)
            return found

    def others(self) -> bool:
        """Whether other processes were still at work on something when we asked last; what is ours now is ready."""
        with self._lock:
            units, self._others = self._others, array("q")
            if units:
                self._share.look()
            for unit in units:
                if unit & _MASK == _WRITE:
                    self._complete.append(unit >> _BITS)
                elif self._wanted(unit):
                    self._queue.put_back(self._bucket(self._shot(unit)), unit)
            return bool(units)

    def unfinished(self) -> tuple[list[str], list[int]]:
        """When the renderer has nothing more to do: shots that it kept for itself, videos that wait in vain."""
        with self._lock:
            return list(self._in_flight), self._dependencies.waiting()

    def _add_video(self, i: int) -> bool:
        """Whether video ``i`` needs shots that are not stored."""
        missing = {s.id: (k, s) for k, s in enumerate(self._shots(i)) if not self._cache.has(s.id)}
        chain = sum(length(s) for _, s in missing.values() if s.parents)
        for shot_id in self._dependencies.add(i, missing):
            k, shot = missing[shot_id]
            self._add(i << _BITS | k, shot, length(shot) + chain)
        return bool(missing)

    def _add(self, unit: int, shot: Shot, weight: float) -> None:
        parents = tuple(p for p in shot.parents if not self._cache.has(p))
        self._queue.add(self._bucket(shot), unit, parents, weight)
        self.shots += 1
        self.cost += cost(shot)

    def _shot(self, unit: int) -> Shot:
        i, k = unit >> _BITS, unit & _MASK
        return self._shots(i)[k] if self._dependencies.is_video(i) else self._plan[i].shot

    def _start(self, unit: int) -> Shot:
        shot = self._shot(unit)
        self._in_flight[shot.id] = unit
        return shot

    def _wanted(self, unit: int) -> bool:
        """Whether we render ``unit`` now."""
        wanted = (
            self._shot_wanted(unit) if self._dependencies.is_video(unit >> _BITS) else self._still_wanted(unit >> _BITS)
        )
        if wanted is False:
            self._others.append(unit)
        elif wanted is None:
            count, spared = self._dropped
            self._dropped = count + 1, spared + cost(self._shot(unit))
        return bool(wanted)

    def _still_wanted(self, i: int) -> bool | None:
        """Whether it is ours; None if it is not to be rendered at all."""
        job_id = self._plan.ids[i]
        if (ours := self._share.claim(i)) is not None or job_id not in self._dependencies.shared:
            return ours
        if (record := self._share.records.get(job_id)) is not None:
            self._cache.stored(job_id, record)
        return None if self._is_there(job_id) else True  # for the video, though another profile has done the picture

    def _shot_wanted(self, unit: int) -> bool | None:
        """The same of a video's shot: it belongs to the first video that waits for it."""
        shot_id = self._shot(unit).id
        if shot_id in self._dependencies.shared:
            return None  # the picture job's unit does it
        ours = None
        while ours is None and (video := self._dependencies.owner(shot_id)) is not None:
            ours = self._share.claim(video)
        return None if ours is None or self._is_there(shot_id) else ours

    def _is_there(self, shot_id: str) -> bool:
        """Whether a shot is stored, though not by us."""
        if there := self._cache.has(shot_id):
            self._appeared.append(shot_id)
            self._queue.wake(shot_id)
        return there

    def _ours(self, i: int) -> bool:
        """Whether job ``i`` is ours to write; what is another process's is looked at again later."""
        if (ours := self._share.claim(i)) is False:
            self._others.append(i << _BITS | _WRITE)
        return bool(ours)
