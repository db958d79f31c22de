"""The nested keyframes of a zoom: where they lie, which of them a camera needs, what a frame is drawn from. Pure.

Level d shows the scene at zoom factor^d about ``target``. A frame is drawn from coarse to fine: the finest level that
fills it, then all finer ones over it; one fades in while it is still small. An edge is soft in the scene, not on the
screen, so it moves with the scene and goes out of view before its level is drawn alone.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple, TypeVar

from sdbatch.motion.fields import wrong
from sdbatch.motion.poses import covers, poses, seen
from sdbatch.motion.schedule import Key, span
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Camera

T = TypeVar("T")
SEAM = 0.2  # of a level's shorter side
FADE = (0.12, 0.35)  # a level is there when it fills so much of the frame's width, fully from the second figure on
EPS = 1e-9


class Drawn(NamedTuple):
    """Level ``level`` as ``camera`` (over it) shows it."""

    level: int
    camera: Camera
    weight: float


def place(motion: Motion, level: int) -> Camera:
    """A level as a camera over the scene."""
    zoom = motion.factor**level
    return Camera(zoom, motion.target[0] * (1 - 1 / zoom), motion.target[1] * (1 - 1 / zoom))


def depth(zoom: float, motion: Motion) -> int:
    """The finest level that is no finer than ``zoom``."""
    return math.floor(math.log(zoom) / math.log(motion.factor) + EPS)


@lru_cache(maxsize=256)
def reach(motion: Motion, aspect: float) -> tuple[int, int]:
    """(coarsest, finest) level that the camera needs; the prompt's picture, level 0, is always one.

    A camera that goes in finds a finer level in the middle even where it ends, so that the last frame has as much
    detail as the first.
    """
    views = set(poses(motion))
    deepest = max(view.zoom for view in views)
    finest = -depth(FADE[1] / deepest, motion) if deepest > 1 + EPS else 0
    return min(0, *(_filling(motion, view, aspect) for view in views)), finest


def _filling(motion: Motion, view: Camera, aspect: float) -> int:
    """The finest level that fills the frame."""
    level = depth(view.zoom, motion)
    while not covers(seen(view, place(motion, level), aspect), aspect):
        level -= 1
    return level


def stack(motion: Motion, view: Camera, aspect: float) -> list[Drawn]:
    """What one frame is drawn from, coarse to fine. In a scene that repeats there is always one more around it."""
    coarsest, finest = reach(motion, aspect)
    if repeats(motion):
        coarsest, finest = -10_000, depth(view.zoom / FADE[0], motion)
    out: list[Drawn] = []
    for level in range(finest, coarsest - 1, -1):
        camera = seen(view, place(motion, level), aspect)
        if level == coarsest or covers(camera, aspect, SEAM):
            return [Drawn(level, camera, 1.0), *reversed(out)]
        if (weight := presence(view.zoom / motion.factor**level)) > 0:
            out.append(Drawn(level, camera, weight))
    return out


def presence(share: float) -> float:
    """How much a level is there that fills ``share`` of the frame's width: a smooth step in log zoom."""
    t = (math.log(share) - math.log(FADE[0])) / (math.log(FADE[1]) - math.log(FADE[0]))
    t = min(max(t, 0.0), 1.0)
    return round(t * t * (3 - 2 * t), 6)


def repeats(motion: Motion) -> int:
    """After how many levels the scene repeats; 0 if it does not. ValueError if a loop closes on none."""
    if motion.loop is not True:
        return 0
    first, last = motion.curve("zoom")[0], motion.curve("zoom")[-1]
    turns = math.log(last / first) / math.log(motion.factor)
    if abs(turns - round(turns)) > 1e-6:
        nearest = " or ".join(f"{first * motion.factor**n:.6g}" for n in (math.floor(turns), math.ceil(turns)))
        text = f"a loop from {first:g} to {last:g} does not close: {nearest} would, with factor {motion.factor:g}"
        raise wrong("zoom", f"{text}; loop: pingpong runs back instead")
    return abs(round(turns))


def at_depth(keys: tuple[Key[T], ...], zoom: float) -> tuple[T, T, float]:
    """(from, to, share) at a depth, blended in log zoom."""
    here, there, share = _way(keys, zoom)
    return here, there, round(min(max(share, 0.0), 1.0), 6)


def number_at(keys: tuple[Key[float], ...], zoom: float) -> float:
    """The value of a schedule at a depth."""
    here, there, share = _way(keys, zoom)
    return round(here + (there - here) * share, 6)


def _way(keys: tuple[Key[T], ...], zoom: float) -> tuple[T, T, float]:
    placed = [(math.log(float(k.time or 1)), k) for k in keys]  # a plain number stands at 0
    i, j, share = span(placed, math.log(zoom) + EPS)
    return keys[i].value, keys[j].value, share
