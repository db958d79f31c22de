"""``zoom``: one scene in nested keyframes, seen by a moving camera.

The prompt's picture is the scene at zoom 1. Keyframe d shows it at zoom factor^d about ``target``: inwards (d > 0) it
is its parent's enlarged middle, refined by ``strength`` (image to image at growing scale, as in Generative Powers of
Ten, https://arxiv.org/abs/2312.02149, but one after the other); outwards (d < 0) its parent lies shrunk in the middle
and the ring around it is painted (masked denoising with an ordinary denoiser: RePaint, https://arxiv.org/abs/2201.09865,
without its resampling; Blended Latent Diffusion, https://arxiv.org/abs/2206.02779). ``prompts``, ``strength`` and
``guidance`` go by depth: their first number is the zoom at which they hold.

A frame is drawn from coarse to fine: the finest keyframe that fills it, then all finer ones over it, each through one
exact sub-pixel warp and with an edge soft in the scene, not on the screen; a keyframe fades in while it is still small.
So the film is one rigid picture of any depth, and no switch between keyframes can be seen. In a loop whose ends differ
by factor^n, keyframe n is keyframe 0 again: keyframe n-1 is refined around it.

Cost: one shot per ``factor`` of zoom (of ``strength`` x steps, painting: all steps), none per frame. Keyframes lie on a
fixed grid, so a new camera re-uses those it still needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from sdbatch.jobs import Camera, Frame, Inlay, Layer, Shot, Start
from sdbatch.motion.chains import between, next_seed
from sdbatch.motion.fields import wrong
from sdbatch.motion.poses import covers, poses, seen
from sdbatch.motion.settings import Motion
from sdbatch.schedule import Key, span

T = TypeVar("T")
CURVES = ("zoom", "x", "y", "roll")
DEPTHS = frozenset({"prompts", "strength", "guidance"})
CLOSES = frozenset({"zoom"})
USES = frozenset({*CURVES, *DEPTHS, "loop", "factor", "target"})

STRENGTH = 0.5  # of refining, unless the settings say so
SEAM = 0.1  # of a keyframe's shorter side
FADE = (0.3, 0.6)  # a keyframe is fully there when it fills so much of the frame's width
EPS = 1e-9
DEEPEST = 64  # keyframes either way


def check(motion: Motion) -> None:
    """Depths must be zooms and rise; a loop must close on a keyframe."""
    for name in sorted(DEPTHS):
        _depths(motion, name)
    repeats(motion)


def _depths(motion: Motion, name: str) -> None:
    before = 0.0
    for key in getattr(motion, name) or ():
        if isinstance(key.time, str) or key.time <= 0:
            raise wrong(name, f"{key.time!r} is no zoom; in mode zoom they go by depth: [1, …], [4, …]")
        if key.time <= before:
            raise wrong(name, f"zooms must rise: {key.time:g} comes after {before:g}")
        before = float(key.time)


def repeats(motion: Motion) -> int:
    """After how many keyframes the scene repeats; 0 if it does not. ValueError if a loop closes on none."""
    zoom = motion.curve("zoom")
    turns = math.log(zoom[-1] / zoom[0]) / math.log(motion.factor) if motion.loop is True else 0.0
    n = round(turns)
    if abs(turns - n) > 1e-6:
        low, high = (zoom[0] * motion.factor**k for k in (math.floor(turns), math.ceil(turns)))
        text = f"a loop from {zoom[0]:g} to {zoom[-1]:g} does not close with factor {motion.factor:g}"
        raise wrong("zoom", f"{text}; nearest are {low:g} and {high:g}")
    return abs(n)


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """The keyframes, from zoom 1 inwards, then outwards."""
    low, high = reach(motion, base.width / base.height)
    cycle = repeats(motion)
    made = {0: _keyframe(base, motion, 0)}
    yield made[0]
    for d in range(1, cycle or high + 1):
        made[d] = _refined(base, motion, d, made[d - 1])
        if cycle and d == cycle - 1:
            made[d] = _closed(base, motion, d, made)
        yield made[d]
    for d in range(-1, (0 if cycle else low) - 1, -1):
        made[d] = replace(_keyframe(base, motion, d), start=Start(made[d + 1].id, 1.0, _step(base, motion, d + 1, d), paint=True))
        yield made[d]


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """Every frame: the finest keyframe that fills it and the finer ones over it."""
    aspect = base.width / base.height
    low, high = reach(motion, aspect)
    cycle = repeats(motion)
    for view in poses(motion):
        bottom = next((d for d in range(high, low, -1) if covers(seen(view, place(motion, d), aspect), aspect, SEAM)), low)
        layers = [Layer(_index(bottom, high, cycle), seen(view, place(motion, bottom), aspect))]
        for d in range(bottom + 1, high + 1):
            if (weight := _presence(view.zoom / motion.factor**d)) > 0:
                layers.append(Layer(_index(d, high, cycle), seen(view, place(motion, d), aspect), weight, SEAM))
        yield tuple(layers)


@lru_cache(maxsize=256)
def reach(motion: Motion, aspect: float) -> tuple[int, int]:
    """(lowest, highest) keyframe that the camera needs."""
    views = poses(motion)
    widest = [_finest(motion, view, aspect) for view in {(v.zoom, v.x, v.y, v.roll): v for v in views}.values()]
    deepest = math.ceil(math.log(max(v.zoom for v in views)) / math.log(motion.factor) - EPS)
    return min(0, *widest), max(0, deepest)


def _finest(motion: Motion, view: Camera, aspect: float) -> int:
    """The finest keyframe that fills the frame."""
    d = math.floor(math.log(view.zoom) / math.log(motion.factor) + EPS)
    while not covers(seen(view, place(motion, d), aspect), aspect):
        d -= 1
        if d < -DEEPEST:
            raise wrong("x", f"the camera looks past {DEEPEST} keyframes of surroundings; pan less or use a larger factor")
    return d


def place(motion: Motion, d: int) -> Camera:
    """Keyframe d as a camera over the scene."""
    zoom = motion.factor**d
    return Camera(zoom, motion.target[0] * (1 - 1 / zoom), motion.target[1] * (1 - 1 / zoom))


def _step(base: Shot, motion: Motion, parent: int, d: int) -> Camera:
    """What keyframe d shows of its parent."""
    return seen(place(motion, d), place(motion, parent), base.width / base.height)


def _index(d: int, high: int, cycle: int) -> int:
    """Where keyframe d is in ``shots``."""
    return d % cycle if cycle else d if d >= 0 else high - d


def _presence(share: float) -> float:
    """How much a keyframe is there that fills ``share`` of the frame's width: a smooth step in log zoom."""
    t = (math.log(share) - math.log(FADE[0])) / (math.log(FADE[1]) - math.log(FADE[0]))
    t = min(max(t, 0.0), 1.0)
    return round(t * t * (3 - 2 * t), 6)


def _keyframe(base: Shot, motion: Motion, d: int) -> Shot:
    """Keyframe d as if it stood alone."""
    seed = next_seed(base.seed, d)
    words = at_depth(motion.prompts, motion.factor**d) if motion.prompts else ("", "", 0.0)
    shot = between(base, words, (seed, seed, 0.0))
    return replace(shot, guidance=number_at(motion.guidance, motion.factor**d)) if motion.guidance else shot


def _refined(base: Shot, motion: Motion, d: int, parent: Shot) -> Shot:
    strength = number_at(motion.strength, motion.factor**d) if motion.strength else STRENGTH
    return replace(_keyframe(base, motion, d), start=Start(parent.id, strength, _step(base, motion, d - 1, d)))


def _closed(base: Shot, motion: Motion, d: int, made: dict[int, Shot]) -> Shot:
    """The last keyframe of a loop: refined, with the first one in its middle."""
    assert made[d].start is not None
    inlay = Inlay(made[0].id, _step(base, motion, d + 1, d))
    return replace(made[d], start=replace(made[d].start, inlay=inlay))


def at_depth(keys: tuple[Key[T], ...], zoom: float) -> tuple[T, T, float]:
    """(from, to, share) at a depth, blended in log zoom."""
    placed = [(math.log(float(k.time)), k) for k in keys]
    i, j, share = span(placed, math.log(zoom) + EPS)
    return keys[i].value, keys[j].value, round(min(max(share, 0.0), 1.0), 6)


def number_at(keys: tuple[Key[float], ...], zoom: float) -> float:
    """The value of a schedule at a depth."""
    here, there, share = at_depth(keys, zoom)
    return round(here + (there - here) * share, 6)
