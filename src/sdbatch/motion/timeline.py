"""A video's shots and frames. Planning, rendering and assembling all need them, so they are kept, within a budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from sdbatch.motion.mode import MODES
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Shot

T = TypeVar("T")
BUDGET = 100_000  # layers and shots kept in all, about 40 MB; what is larger is computed again when it is needed


@dataclass(frozen=True, slots=True)
class Timeline:
    """``shots`` with their ``ids``, parents before children; ``frames`` in the order shown, as layers over shots."""

    shots: tuple[Shot, ...]
    ids: tuple[str, ...]
    frames: tuple[Frame, ...]

    @property
    def size(self) -> int:
        """What it takes of the budget."""
        return len(self.shots) + sum(map(len, self.frames))


class _Cache:
    """Timelines by (base shot, motion); the least recently used ones go when the budget is spent."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[tuple[Shot, Motion], Timeline] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    def get(self, base: Shot, motion: Motion) -> Timeline:
        key = (base, motion)
        with self._lock:
            if (found := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return found
        made = compute(base, motion)
        with self._lock:
            if key not in self._kept and made.size <= self._budget:
                self._kept[key] = made
                self._size += made.size
            while self._size > self._budget:
                self._size -= self._kept.popitem(last=False)[1].size
        return made


_cache = _Cache(BUDGET)
timeline = _cache.get


def compute(base: Shot, motion: Motion) -> Timeline:
    """The timeline of the video that ``motion`` makes of ``base``."""
    mode = MODES[motion.mode]
    shots = tuple(mode.shots(base, motion))
    frames = tuple(looped(list(mode.frames(base, motion)), motion))
    return Timeline(shots, tuple(shot.id for shot in shots), frames)


def looped(every: list[T], motion: Motion) -> list[T]:
    """The frames that are shown: a loop leaves out the last one (it is the first again), ``pingpong`` plays them back
    without showing either end twice."""
    if motion.loop == "pingpong":
        return every + every[-2:0:-1]
    return every[:-1] if motion.loop else every
