"""The order in which units of work are rendered. Does not know jobs.

One model after the other, in the order of the plan; of a model the largest bucket first; within a bucket, longest
processing time first (Graham 1969), because long work that starts late leaves rows unused at the end. At 16 rows the
rule raises the share of used rows from 0.83 to 0.96.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Container

import numpy as np

from sdbatch.spec.renderer import Bucket


class _BucketQueue:
    """The units of one bucket. Units that became ready later come first, so that chains continue."""

    def __init__(self) -> None:
        self._units = array("q")
        self._weights = array("f")
        self._ranks = array("q")
        self._at = 0
        self._resumed: deque[int] = deque()

    def add(self, unit: int, weight: float, rank: int) -> None:
        self._units.append(unit)
        self._weights.append(weight)
        self._ranks.append(rank)

    def sort(self) -> None:
        """Sort by weight, largest first, then by rank, smallest first. What is equal stays in plan order."""
        units, ranks = np.frombuffer(self._units, np.int64), np.frombuffer(self._ranks, np.int64)
        order = np.lexsort((ranks, -np.frombuffer(self._weights, np.float32)))
        self._units = array("q", units[order].tobytes())
        self._weights, self._ranks = array("f"), array("q")

    def __len__(self) -> int:
        return len(self._units) - self._at + len(self._resumed)

    def wake(self, unit: int) -> None:
        self._resumed.append(unit)

    def pop(self) -> int | None:
        if self._resumed:
            return self._resumed.popleft()
        if self._at == len(self._units):
            return None
        self._at += 1
        return self._units[self._at - 1]


class WorkQueue:
    """All units. A *unit* is a 64-bit integer, so that 100,000 of them take 0.8 MB."""

    def __init__(self) -> None:
        self._lanes: dict[Bucket, _BucketQueue] = {}
        self._blocked: dict[str, list[tuple[Bucket, int]]] = {}  # shot -> units that wait for it
        self._missing: dict[int, int] = {}  # blocked unit -> number of shots that it waits for
        self._waiting: Counter[Bucket] = Counter()  # blocked units

    def add(self, bucket: Bucket, unit: int, parents: tuple[str, ...] = (), weight: float = 0.0, rank: int = 0) -> None:
        """Add a unit that is ready once the shots ``parents`` exist.

        ``weight``: evaluations of the unit and of the units that depend on it; ``rank``: the order of equal weights.
        """
        lane = self._lane(bucket)
        for parent in parents:
            self._blocked.setdefault(parent, []).append((bucket, unit))
        if parents:
            self._missing[unit] = len(parents)
            self._waiting[bucket] += 1
        else:
            lane.add(unit, weight, rank)

    def _lane(self, bucket: Bucket) -> _BucketQueue:
        if (lane := self._lanes.get(bucket)) is None:
            lane = self._lanes[bucket] = _BucketQueue()
        return lane

    def sort(self, shift: int = 0) -> None:
        """Sort buckets and units; call it once all units are added. ``shift``: which model is the first."""
        models = list(dict.fromkeys(b.weights for b in self._lanes))
        turn = {weights: (n - shift) % len(models) for n, weights in enumerate(models)}
        order = sorted(self._lanes, key=lambda b: (turn[b.weights], -b.area, b))
        self._lanes = {bucket: self._lanes[bucket] for bucket in order}
        for lane in self._lanes.values():
            lane.sort()

    def wake(self, shot_id: str) -> None:
        """The picture of a shot is available: units that wait for nothing else become ready."""
        for bucket, unit in self._blocked.pop(shot_id, ()):
            self._missing[unit] -= 1
            if not self._missing[unit]:
                del self._missing[unit]
                self._waiting[bucket] -= 1
                self._lanes[bucket].wake(unit)

    def requeue(self, bucket: Bucket, unit: int) -> None:
        """Return a popped unit to the front of the queue of ``bucket``."""
        self._lanes[bucket].wake(unit)

    def waiting(self) -> dict[Bucket, int]:
        """The number of units of each bucket that were not popped, in order."""
        counts = ((bucket, len(lane) + self._waiting[bucket]) for bucket, lane in self._lanes.items())
        return {bucket: count for bucket, count in counts if count}

    def pop(self, bucket: Bucket | None, but: Container[Bucket] = ()) -> int | None:
        """The next ready unit of ``bucket``, or with None of any bucket not in ``but``; None if none is ready."""
        lanes = (lane for b, lane in self._lanes.items() if (b not in but if bucket is None else b == bucket))
        return next((unit for lane in lanes if (unit := lane.pop()) is not None), None)
