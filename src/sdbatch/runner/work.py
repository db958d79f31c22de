"""What is to be rendered; hands out what is ready. A :class:`sdbatch.spec.renderer.Feed`.

Holds numbers, not jobs: a *unit* is a shot of a job, ``position in the plan << 20 | number of the shot``. A shot that
several jobs need is rendered once. Videos name their shots here; 100,000 stills cost 8 bytes each.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache

from sdbatch import motion
from sdbatch.runner.dependencies import Dependencies
from sdbatch.runner.queue import WorkQueue
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.runner.signals import SignalHandler
from sdbatch.runner.timings import cost
from sdbatch.spec.cost import evaluations as length
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Pixels, Renderer
from sdbatch.store import Record
from sdbatch.store.plan_file import Plan

_BITS = 20
_MASK = (1 << _BITS) - 1
LOOK_AROUND = 2.0  # seconds between looks at what other processes have finished


class Work:
    """``news`` tells what other processes have finished; ``backwards`` begins at the other end, so that two processes
    on one plan meet in the middle."""

    def __init__(
        self,
        plan: Plan,
        cache: ShotCache,
        signals: SignalHandler,
        news: Callable[[], Iterator[Record]] = lambda: iter(()),
        backwards: bool = False,
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._signals = signals
        self._news = news
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._queue = WorkQueue(backwards)
        self._elsewhere: set[str] = set()
        self._dependencies = Dependencies(lambda i: plan.ids[i] in self._elsewhere)
        self._in_flight: dict[str, int] = {}
        self._alone: deque[int] = deque()  # suspected of having crashed the renderer: one at a time
        self._solo = False
        self._appeared: list[str] = []
        self._shots = lru_cache(maxsize=8)(lambda i: motion.shots(plan[i]))
        self.skipped = 0  # picture jobs that another process has done
        self.shots = 0
        self.cost = 0.0

    def scan(self, positions: Iterable[int], renderer: Renderer) -> tuple[list[int], list[int]]:
        """Take in the jobs at ``positions``. Returns (stills, videos) whose shots are stored already."""
        stills: list[int] = []
        videos: list[int] = []
        plain = array("q")
        for i in positions:
            job = self._plan[i]
            if job.video is not None:
                if not self._add_video(i, renderer):
                    videos.append(i)
            elif self._cache.has(job.id):
                stills.append(i)
            else:
                self._add(i << _BITS, job.shot, renderer, length(job.shot))
                plain.append(i)
        self._dependencies.share((self._plan.ids[i], i) for i in plain)
        self._queue.sort()
        return stills, videos

    def take(self, bucket: Bucket | None = None, but: Collection[Bucket] = ()) -> Shot | None:
        with self._signals.uninterruptible(), self._lock:
            self._look_around()
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
        """A shot is on disk; returns the videos that are complete now."""
        with self._lock:
            return self._dependencies.stored(shot_id)

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

    def unfinished(self) -> tuple[list[str], list[int]]:
        """When the renderer has nothing more to do: shots that it kept for itself, videos that wait in vain."""
        with self._lock:
            return list(self._in_flight), self._dependencies.waiting()

    def _add_video(self, i: int, renderer: Renderer) -> bool:
        """Whether video ``i`` needs shots that are not stored."""
        missing = {s.id: (k, s) for k, s in enumerate(self._shots(i)) if not self._cache.has(s.id)}
        chain = sum(length(s) for _, s in missing.values() if s.parents)
        for shot_id in self._dependencies.add(i, missing):
            k, shot = missing[shot_id]
            self._add(i << _BITS | k, shot, renderer, length(shot) + chain)
        return bool(missing)

    def _add(self, unit: int, shot: Shot, renderer: Renderer, weight: float) -> None:
        parents = tuple(p for p in shot.parents if not self._cache.has(p))
        self._queue.add(renderer.bucket(shot), unit, parents, weight)
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
        i = unit >> _BITS
        if not self._dependencies.is_video(i):
            job_id = self._plan.ids[i]
            if job_id in self._elsewhere and job_id not in self._dependencies.shared:
                self.skipped += 1
                return False
            return True
        shot_id = self._shot(unit).id
        if shot_id in self._dependencies.shared or not self._dependencies.alive(shot_id):
            return False  # the picture job's unit does it, or nobody wants it any more
        if self._cache.has(shot_id):  # another process was faster
            self._appeared.append(shot_id)
            self._queue.wake(shot_id)
            return False
        return True

    def _look_around(self) -> None:
        if time.monotonic() - self._looked >= LOOK_AROUND:
            self._looked = time.monotonic()
            self._elsewhere.update(r.id for r in self._news())
