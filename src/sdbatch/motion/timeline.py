"""A video's shots and frames. Planning, rendering and assembly all need them, so they are cached within a budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypeVar

from sdbatch.motion.mode import MODES
from sdbatch.motion.passes import passed
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Shot
from sdbatch.spec.passes import Pass

T = TypeVar("T")
BUDGET = 100_000  # layers and shots in the cache, about 40 MB; a larger timeline is computed each time


@dataclass(frozen=True, slots=True)
class Timeline:
    """``shots`` and their ``ids``, parents before children; ``frames`` in display order, as layers that index shots."""

    shots: tuple[Shot, ...]
    ids: tuple[str, ...]
    frames: tuple[Frame, ...]

    @property
    def size(self) -> int:
        """The timeline's share of the budget: its shots plus its layers."""
        return len(self.shots) + sum(map(len, self.frames))


class _Cache:
    """Timelines by (base shot, motion, passes). Evicts the least recently used ones over the budget. Thread-safe."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._timelines: OrderedDict[tuple[Shot, Motion, tuple[Pass, ...]], Timeline] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    def get(self, base: Shot, motion: Motion, passes: tuple[Pass, ...] = ()) -> Timeline:
        key = (base, motion, passes)
        with self._lock:
            if (found := self._timelines.get(key)) is not None:
                self._timelines.move_to_end(key)
                return found
        made = compute(base, motion, passes)
        with self._lock:
            if key not in self._timelines and made.size <= self._budget:
                self._timelines[key] = made
                self._size += made.size
            while self._size > self._budget:
                self._size -= self._timelines.popitem(last=False)[1].size
        return made


_cache = _Cache(BUDGET)
timeline = _cache.get


def compute(base: Shot, motion: Motion, passes: tuple[Pass, ...] = ()) -> Timeline:
    """The timeline of the video with the base shot ``base``. Frames show the last of ``passes`` over each shot."""
    mode = MODES[motion.mode]
    shots = tuple(mode.shots(base, motion))
    frames = tuple(looped(list(mode.frames(base, motion)), motion))
    if passes:
        first = len(shots)
        frames = tuple(tuple(replace(n, shot=first + (n.shot + 1) * len(passes) - 1) for n in f) for f in frames)
        shots += tuple(later for shot in shots for later in passed(shot, passes))
    return Timeline(shots, tuple(shot.id for shot in shots), frames)


def looped(frames: list[T], motion: Motion) -> list[T]:
    """``frames`` with the loop applied: ``true`` drops the last frame, which equals the first; ``pingpong`` appends the
    frames in reverse order without repeating either end. Of N + 1 frames that leaves N, or 2 N."""
    if motion.loop == "pingpong":
        return frames + frames[-2:0:-1]
    return frames[:-1] if motion.loop else frames
