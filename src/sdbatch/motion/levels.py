"""The nested keyframes of a zoom: their cameras, which of them a video needs, and the layers of a frame. Pure.

Level d shows the scene at zoom factor^d about ``target``. A frame is composed from coarse to fine: the finest level
that fills it, then all finer ones over it. A level fades in while it is still small. Its edge is feathered in scene
coordinates, not in screen coordinates, so the edge moves with the scene and leaves the view before the level is shown
alone. ``aspect`` is width / height.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple, TypeVar

from sdbatch.motion.key_errors import key_error
from sdbatch.motion.poses import fills_frame, poses, relative
from sdbatch.motion.schedule import Key, span
from sdbatch.motion.settings import Motion
from sdbatch.spec.start import Camera

T = TypeVar("T")
FEATHER = 0.2  # width of a level's feathered edge, as a fraction of its shorter side
FADE = (0.12, 0.35)  # a level fades in between these fractions of the frame's width
EPS = 1e-9


class LevelView(NamedTuple):
    """Level ``level`` seen through ``camera`` (relative to the level), with opacity ``weight`` in (0, 1]."""

    level: int
    camera: Camera
    weight: float


def level_camera(motion: Motion, level: int) -> Camera:
    """The camera over the scene that shows exactly ``level``."""
    zoom = motion.factor**level
    return Camera(zoom, motion.target[0] * (1 - 1 / zoom), motion.target[1] * (1 - 1 / zoom))


def level_at(zoom: float, motion: Motion) -> int:
    """The finest level whose zoom is at most ``zoom``."""
    return math.floor(math.log(zoom) / math.log(motion.factor) + EPS)


@lru_cache(maxsize=256)
def level_range(motion: Motion, aspect: float) -> tuple[int, int]:
    """(coarsest, finest) level that the camera needs. Level 0, the prompt's picture, is always included.

    Where the camera zooms in, finer levels than the largest zoom are included, so that the last frame has as much
    detail as the first.
    """
    views = set(poses(motion))
    deepest = max(view.zoom for view in views)
    finest = -level_at(FADE[1] / deepest, motion) if deepest > 1 + EPS else 0
    return min(0, *(_finest_filling(motion, view, aspect) for view in views)), finest


def _finest_filling(motion: Motion, view: Camera, aspect: float) -> int:
    """The finest level that fills the frame of ``view``."""
    level = level_at(view.zoom, motion)
    while not fills_frame(relative(view, level_camera(motion, level), aspect), aspect):
        level -= 1
    return level


def visible_levels(motion: Motion, view: Camera, aspect: float) -> list[LevelView]:
    """The levels that compose the frame of ``view``, coarse to fine. A loop's levels have no coarsest or finest."""
    coarsest, finest = level_range(motion, aspect)
    if loop_levels(motion):
        coarsest, finest = -10_000, level_at(view.zoom / FADE[0], motion)
    out: list[LevelView] = []
    for level in range(finest, coarsest - 1, -1):
        camera = relative(view, level_camera(motion, level), aspect)
        if level == coarsest or fills_frame(camera, aspect, FEATHER):
            return [LevelView(level, camera, 1.0), *reversed(out)]
        if (weight := opacity(view.zoom / motion.factor**level)) > 0:
            out.append(LevelView(level, camera, weight))
    return out


def opacity(share: float) -> float:
    """The opacity (0 to 1) of a level that fills ``share`` of the frame's width: a smoothstep in log zoom over FADE."""
    t = (math.log(share) - math.log(FADE[0])) / (math.log(FADE[1]) - math.log(FADE[0]))
    t = min(max(t, 0.0), 1.0)
    return round(t * t * (3 - 2 * t), 6)


def loop_levels(motion: Motion) -> int:
    """The number of levels after which a looping scene repeats; 0 without ``loop: true``.

    Raises PydanticCustomError if the ends of the zoom do not differ by a whole power of ``factor``.
    """
    if motion.loop is not True:
        return 0
    first, last = motion.curve("zoom")[0], motion.curve("zoom")[-1]
    turns = math.log(last / first) / math.log(motion.factor)
    if abs(turns - round(turns)) > 1e-6:
        nearest = " or ".join(f"{first * motion.factor**n:.6g}" for n in (math.floor(turns), math.ceil(turns)))
        text = f"a loop from {first:g} cannot end at {last:g}; with factor {motion.factor:g} it can end at {nearest}"
        raise key_error("zoom", f"{text}; or use loop: pingpong, which plays forwards, then backwards")
    return abs(round(turns))


def at_depth(keys: tuple[Key[T], ...], zoom: float) -> tuple[T, T, float]:
    """(from, to, share) of keyframes [zoom, value] at ``zoom``, interpolated in log zoom; share is in [0, 1]."""
    start, end, share = _segment(keys, zoom)
    return start, end, round(min(max(share, 0.0), 1.0), 6)


def number_at(keys: tuple[Key[float], ...], zoom: float) -> float:
    """The value at ``zoom`` of a schedule of keyframes [zoom, value], interpolated in log zoom."""
    start, end, share = _segment(keys, zoom)
    return round(start + (end - start) * share, 6)


def _segment(keys: tuple[Key[T], ...], zoom: float) -> tuple[T, T, float]:
    placed = [(math.log(float(k.time or 1)), k) for k in keys]  # a plain number has time 0
    i, j, share = span(placed, math.log(zoom) + EPS)
    return keys[i].value, keys[j].value, share
