"""What is to be rendered; hands out what is ready. A :class:`sdbatch.spec.renderer.Feed`.

Holds numbers, not jobs: a *unit* is a shot of a job, ``position in the plan << 20 | number of the shot``. A shot that
several jobs need is rendered once. Films name their shots here; 100,000 stills cost 8 bytes each.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache

from sdbatch import motion
from sdbatch.runner.dependencies import Needs
from sdbatch.runner.queue import Lanes
from sdbatch.runner.shot_cache import Shelf
from sdbatch.runner.signals import Gate
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
        shelf: Shelf,
        gate: Gate,
        news: Callable[[], Iterator[Record]] = lambda: iter(()),
        backwards: bool = False,
    ) -> None:
        self._plan = plan
        self._shelf = shelf
        self._gate = gate
        self._news = news
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._lanes = Lanes(backwards)
        self._elsewhere: set[str] = set()
        self._needs = Needs(lambda i: plan.ids[i] in self._elsewhere)
        self._flight: dict[str, int] = {}
        self._alone: deque[int] = deque()  # suspected of having crashed the renderer: one at a time
        self._solo = False
        self._appeared: list[str] = []
        self._shots = lru_cache(maxsize=8)(lambda i: motion.shots(plan[i]))
        self.skipped = 0  # picture jobs that another process has done
        self.shots = 0
        self.cost = 0.0

    def scan(self, positions: Iterable[int], renderer: Renderer) -> tuple[list[int], list[int]]:
        """Take in the jobs at ``positions``. Returns (stills, films) whose shots are stored already."""
        stills: list[int] = []
        films: list[int] = []
        plain = array("q")
        for i in positions:
            job = self._plan[i]
            if job.film is not None:
                if not self._add_film(i, renderer):
                    films.append(i)
            elif self._shelf.has(job.id):
                stills.append(i)
            else:
                self._add(i << _BITS, job.shot, renderer, length(job.shot))
                plain.append(i)
        self._needs.share((self._plan.ids[i], i) for i in plain)
        self._lanes.sort()
        return stills, films

    def take(self, bucket: Bucket | None = None, but: Collection[Bucket] = ()) -> Shot | None:
        with self._gate.kept(), self._lock:
            self._look_around()
            if self._solo and self._flight:
                return None
            self._solo = bool(self._alone)
            if self._alone:
                return self._fly(self._alone.popleft())
            while (unit := self._lanes.pop(bucket, but)) is not None:
                if self._wanted(unit):
                    return self._fly(unit)
            return None

    def picture(self, shot_id: str) -> Pixels:
        return self._shelf.load(shot_id)

    @property
    def busy(self) -> bool:
        """Whether the renderer has shots in hand."""
        return bool(self._flight)

    def arrived(self, shot: Shot, pixels: Pixels) -> tuple[int | None, bool]:
        """A shot is rendered; returns (the picture job that it is, whether films need it)."""
        with self._lock:
            i = self._flight.pop(shot.id) >> _BITS
            if wanted := shot.id in self._needs:
                self._shelf.hold(shot.id, pixels)
                self._lanes.wake(shot.id)
            return None if self._needs.is_film(i) else i, wanted

    def stored(self, shot_id: str) -> list[int]:
        """A shot is on disk; returns the films that are complete now."""
        with self._lock:
            return self._needs.stored(shot_id)

    def failed(self, shot_id: str) -> list[int]:
        """A shot cannot be made; returns the jobs that fail with it. What only they need is not rendered."""
        with self._lock:
            unit = self._flight.pop(shot_id, None)
            self._shelf.drop(shot_id)
            films = self._needs.failed(shot_id)
            still = self._needs.shared.get(shot_id) if unit is None else unit >> _BITS
            return films if still is None or self._needs.is_film(still) else [still, *films]

    def crashed(self) -> str | None:
        """The renderer fell over what it had in hand: with one shot that is the culprit, else each is tried alone."""
        with self._lock:
            if len(self._flight) == 1:
                return next(iter(self._flight))
            self._alone.extend(self._flight.values())
            self._flight.clear()
            return None

    def appeared(self) -> list[str]:
        """Shots that another process has stored since the last call."""
        with self._lock:
            found, self._appeared = self._appeared, []
            return found

    def unfinished(self) -> tuple[list[str], list[int]]:
        """When the renderer has nothing more to do: shots that it kept for itself, films that wait in vain."""
        with self._lock:
            return list(self._flight), self._needs.waiting()

    def _add_film(self, i: int, renderer: Renderer) -> bool:
        """Whether film ``i`` needs shots that are not stored."""
        missing = {s.id: (k, s) for k, s in enumerate(self._shots(i)) if not self._shelf.has(s.id)}
        chain = sum(length(s) for _, s in missing.values() if s.parents)
        for shot_id in self._needs.add(i, missing):
            k, shot = missing[shot_id]
            self._add(i << _BITS | k, shot, renderer, length(shot) + chain)
        return bool(missing)

    def _add(self, unit: int, shot: Shot, renderer: Renderer, weight: float) -> None:
        parents = tuple(p for p in shot.parents if not self._shelf.has(p))
        self._lanes.add(renderer.bucket(shot), unit, parents, weight)
        self.shots += 1
        self.cost += cost(shot)

    def _shot(self, unit: int) -> Shot:
        i, k = unit >> _BITS, unit & _MASK
        return self._shots(i)[k] if self._needs.is_film(i) else self._plan[i].shot

    def _fly(self, unit: int) -> Shot:
        shot = self._shot(unit)
        self._flight[shot.id] = unit
        return shot

    def _wanted(self, unit: int) -> bool:
        i = unit >> _BITS
        if not self._needs.is_film(i):
            job_id = self._plan.ids[i]
            if job_id in self._elsewhere and job_id not in self._needs.shared:
                self.skipped += 1
                return False
            return True
        shot_id = self._shot(unit).id
        if shot_id in self._needs.shared or not self._needs.alive(shot_id):
            return False  # the picture job's unit does it, or nobody wants it any more
        if self._shelf.has(shot_id):  # another process was faster
            self._appeared.append(shot_id)
            self._lanes.wake(shot_id)
            return False
        return True

    def _look_around(self) -> None:
        if time.monotonic() - self._looked >= LOOK_AROUND:
            self._looked = time.monotonic()
            self._elsewhere.update(r.id for r in self._news())
