"""What is to be rendered: shots by bucket, the largest first; hands out what is ready. A :class:`sdbatch.render.Feed`.

Holds numbers, not jobs: a *unit* is a shot of a job, ``position in the plan << 20 | number of the shot``. A shot that
several jobs need is rendered once. Films name their shots here; 100,000 stills cost 8 bytes each.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import deque
from collections.abc import Iterable
from functools import lru_cache

from sdbatch import motion
from sdbatch.jobs import Shot
from sdbatch.render import Bucket, Pixels, Renderer
from sdbatch.runner.gate import Gate
from sdbatch.runner.shelf import Shelf
from sdbatch.runner.timings import cost
from sdbatch.store import Rivals
from sdbatch.store.plans import Plan

_BITS = 20
_MASK = (1 << _BITS) - 1
LOOK_AROUND = 2.0  # seconds between looks at what other processes have finished


class Lane:
    """The units of one bucket; what a chain goes on with comes first."""

    def __init__(self, backwards: bool) -> None:
        self._units = array("q")
        self._at = 0
        self._awake: deque[int] = deque()
        self._backwards = backwards

    def add(self, unit: int) -> None:
        self._units.append(unit)

    def wake(self, unit: int) -> None:
        self._awake.append(unit)

    def pop(self) -> int | None:
        if self._awake:
            return self._awake.popleft()
        if self._at == len(self._units):
            return None
        if self._backwards:
            return self._units.pop()
        self._at += 1
        return self._units[self._at - 1]


class Work:
    """``rivals`` tells what other processes finish meanwhile (None: not asked); ``backwards`` begins at the other end,
    so that two processes on one plan meet in the middle."""

    def __init__(
        self, plan: Plan, shelf: Shelf, gate: Gate, rivals: Rivals | None = None, backwards: bool = False
    ) -> None:
        self._plan = plan
        self._shelf = shelf
        self._gate = gate
        self._rivals = rivals
        self._backwards = backwards
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._lanes: dict[Bucket, Lane] = {}
        self._missing: dict[int, int] = {}  # film -> shots that are not stored yet
        self._owners: dict[str, list[int]] = {}  # shot -> films that wait for it
        self._shared: dict[str, int] = {}  # shot of a film -> the picture job that it is as well
        self._asleep: dict[str, list[tuple[Bucket, int]]] = {}  # shot -> units that wait for it
        self._parents: dict[int, int] = {}  # sleeping unit -> parents it waits for
        self._flight: dict[str, int] = {}
        self._alone: deque[int] = deque()  # suspected of having crashed the renderer
        self._solo = False
        self._over: set[int] = set()  # films that failed
        self._elsewhere: set[str] = set()
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
                self._add(i << _BITS, job.shot, renderer)
                plain.append(i)
        if self._owners:
            self._shared = {self._plan.ids[i]: i for i in plain if self._plan.ids[i] in self._owners}
        self._lanes = dict(sorted(self._lanes.items(), key=lambda item: (-item[0].area, item[0])))
        return stills, films

    def take(self, bucket: Bucket | None = None) -> Shot | None:
        with self._gate.kept(), self._lock:
            self._look_around()
            if self._solo and self._flight:
                return None
            self._solo = bool(self._alone)
            if self._alone:
                return self._fly(self._alone.popleft())
            for lane in self._lanes.values() if bucket is None else filter(None, [self._lanes.get(bucket)]):
                while (unit := lane.pop()) is not None:
                    if self._wanted(unit):
                        return self._fly(unit)
            return None

    def picture(self, shot_id: str) -> Pixels:
        return self._shelf.load(shot_id)

    def arrived(self, shot: Shot, pixels: Pixels) -> tuple[int | None, bool]:
        """A shot is rendered; returns (the picture job that it is, whether films need it)."""
        with self._lock:
            i = self._flight.pop(shot.id) >> _BITS
            if wanted := shot.id in self._owners:
                self._shelf.hold(shot.id, pixels)
                self._release(shot.id)
            return None if i in self._missing else i, wanted

    def stored(self, shot_id: str) -> list[int]:
        """A shot is on disk; returns the films that are complete now."""
        with self._lock:
            complete = []
            for i in self._owners.pop(shot_id, ()):
                self._missing[i] -= 1
                if not self._missing[i] and i not in self._over:
                    complete.append(i)
            return complete

    def failed(self, shot_id: str) -> list[int]:
        """A shot cannot be made; returns the jobs that fail with it. What only they need is not rendered."""
        with self._lock:
            unit = self._flight.pop(shot_id, None)
            self._shelf.drop(shot_id)
            films = [i for i in self._owners.pop(shot_id, ()) if i not in self._over]
            self._over.update(films)
            still = self._shared.get(shot_id) if unit is None else unit >> _BITS
            return films if still is None or still in self._missing else [still, *films]

    @property
    def busy(self) -> bool:
        """Whether the renderer has shots in hand."""
        return bool(self._flight)

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
            films = [i for i, n in self._missing.items() if n and i not in self._over]
            return list(self._flight), [i for i in films if self._plan.ids[i] not in self._elsewhere]

    def _add_film(self, i: int, renderer: Renderer) -> bool:
        """Whether film ``i`` needs shots that are not stored."""
        missing = {s.id: (k, s) for k, s in enumerate(self._shots(i)) if not self._shelf.has(s.id)}
        if not missing:
            return False
        self._missing[i] = len(missing)
        for shot_id, (k, shot) in missing.items():
            owners = self._owners.setdefault(shot_id, [])
            owners.append(i)
            if len(owners) == 1:
                self._add(i << _BITS | k, shot, renderer, [p for p in shot.parents if not self._shelf.has(p)])
        return True

    def _add(self, unit: int, shot: Shot, renderer: Renderer, parents: Iterable[str] = ()) -> None:
        bucket = renderer.bucket(shot)
        lane = self._lanes.get(bucket) or self._lanes.setdefault(bucket, Lane(self._backwards))
        waits = 0
        for parent in parents:
            self._asleep.setdefault(parent, []).append((bucket, unit))
            waits += 1
        if waits:
            self._parents[unit] = waits
        else:
            lane.add(unit)
        self.shots += 1
        self.cost += cost(shot)

    def _release(self, shot_id: str) -> None:
        for bucket, unit in self._asleep.pop(shot_id, ()):
            self._parents[unit] -= 1
            if not self._parents[unit]:
                del self._parents[unit]
                self._lanes[bucket].wake(unit)

    def _shot(self, unit: int) -> Shot:
        i, k = unit >> _BITS, unit & _MASK
        return self._shots(i)[k] if i in self._missing else self._plan[i].shot

    def _fly(self, unit: int) -> Shot:
        shot = self._shot(unit)
        self._flight[shot.id] = unit
        return shot

    def _wanted(self, unit: int) -> bool:
        i = unit >> _BITS
        if i not in self._missing:
            job_id = self._plan.ids[i]
            if job_id in self._elsewhere and job_id not in self._shared:
                self.skipped += 1
                return False
            return True
        shot_id = self._shot(unit).id
        owners = [o for o in self._owners.get(shot_id, ()) if o not in self._over]
        if shot_id in self._shared or all(self._plan.ids[o] in self._elsewhere for o in owners):
            return False
        if self._shelf.has(shot_id):  # another process was faster
            self._appeared.append(shot_id)
            self._release(shot_id)
            return False
        return True

    def _look_around(self) -> None:
        if self._rivals is None or time.monotonic() - self._looked < LOOK_AROUND:
            return
        self._looked = time.monotonic()
        self._elsewhere.update(r.id for r in self._rivals.news())
