"""``zoom``: one scene in nested keyframes, seen by a moving camera.

The prompt's picture is the scene at zoom 1. Keyframe d shows it at zoom factor^d about ``target``: inwards (d > 0) it
is its parent's enlarged middle, refined by ``strength`` (image to image at growing scale, as in Generative Powers of
Ten, https://arxiv.org/abs/2312.02149, but one after the other); outwards (d < 0) its parent lies shrunk in the middle
and the ring around it is painted (masked denoising with an ordinary denoiser: RePaint, https://arxiv.org/abs/2201.09865,
without its resampling; Blended Latent Diffusion, https://arxiv.org/abs/2206.02779). ``prompts``, ``strength`` and
``guidance`` go by depth: their first number is the zoom at which they hold. ``phrase`` tells a keyframe's own zoom to a
model that knows distances.

A frame is drawn from coarse to fine (``levels``), each keyframe through one exact sub-pixel warp. So the video is one
rigid picture of any depth, and no switch between keyframes can be seen. In a loop whose ends differ by factor^n,
keyframe n is keyframe 0 again: keyframe n-1 is refined around it.

Cost: one shot per ``factor`` of zoom (of ``strength`` x steps, painting: all steps), none per frame. Keyframes lie on a
fixed grid, so a new camera re-uses those it still needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import between, joined, next_seed
from sdbatch.motion.fields import wrong
from sdbatch.motion.levels import SEAM, at_depth, number_at, place, reach, repeats, stack
from sdbatch.motion.poses import poses, seen
from sdbatch.motion.settings import Motion, variables
from sdbatch.spec.jobs import Camera, Frame, Layer, Overlay, Shot, Start

DEPTHS = frozenset({"prompts", "strength", "guidance"})
CLOSES = frozenset({"zoom"})
USES = frozenset({"zoom", "x", "y", "roll", "loop", "factor", "target", "phrase", *DEPTHS})
STRENGTH = 0.5  # of refining, unless the settings say so


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """Depths must be zooms and rise; a phrase may name the zoom alone; a loop must close on a keyframe."""
    for name in sorted(DEPTHS):
        yield from _depths(motion, name)
    for name in sorted(variables(motion.phrase) - {"zoom"}):
        yield wrong(
            "phrase", f"{{{name}}} is unknown here: in mode zoom a phrase belongs to a keyframe and may use {{zoom}}"
        )
    try:
        repeats(motion)
    except PydanticCustomError as e:
        yield e


def _depths(motion: Motion, name: str) -> Iterator[PydanticCustomError]:
    before = 0.0
    for key in getattr(motion, name) or ():
        if key.time == 0 and len(getattr(motion, name)) == 1:
            return  # a plain number
        if isinstance(key.time, str) or key.time <= 0:
            yield wrong(name, f"{key.time!r} is not a zoom; in mode zoom they go by depth: [1, …], [4, …]")
            return
        if key.time <= before:
            yield wrong(name, f"zooms must rise: {key.time:g} comes after {before:g}")
        before = float(key.time)


def order(base: Shot, motion: Motion) -> list[int]:
    """The levels of the shots: from the prompt's picture inwards, then outwards."""
    if cycle := repeats(motion):
        return [*range(cycle)]
    low, high = reach(motion, base.width / base.height)
    return [*range(high + 1), *range(-1, low - 1, -1)]


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """The keyframes, parents before children."""
    made: dict[int, Shot] = {}
    for level in order(base, motion):
        shot = _keyframe(base, motion, level)
        if level:
            shot = replace(
                shot, start=_refined(base, motion, level, made) if level > 0 else _painted(base, motion, level, made)
            )
        made[level] = shot
        yield shot


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """Every frame: the finest keyframe that fills it and the finer ones over it."""
    cycle = repeats(motion)
    index = {level: i for i, level in enumerate(order(base, motion))}
    for view in poses(motion):
        drawn = stack(motion, view, base.width / base.height)
        yield tuple(
            Layer(index[d.level % cycle if cycle else d.level], d.camera, d.weight, SEAM if n else 0.0)
            for n, d in enumerate(drawn)
        )


def cameras(base: Shot, motion: Motion) -> list[Camera]:
    """Every shot as a camera over the scene."""
    return [place(motion, level) for level in order(base, motion)]


def _keyframe(base: Shot, motion: Motion, level: int) -> Shot:
    """A level as if it stood alone."""
    zoom, seed = motion.factor**level, next_seed(base.seed, level)
    words = at_depth(motion.prompts, zoom) if motion.prompts else ("", "", 0.0)
    base = replace(base, prompt=joined(base.prompt, motion.phrase_at(zoom)))
    shot = between(base, words, (seed, seed, 0.0))
    return replace(shot, guidance=number_at(motion.guidance, zoom)) if motion.guidance else shot


def _refined(base: Shot, motion: Motion, level: int, made: dict[int, Shot]) -> Start:
    """Out of the middle of the level before; the last level of a loop has the first one in its own middle."""
    strength = number_at(motion.strength, motion.factor**level) if motion.strength else STRENGTH
    inlay = Overlay(made[0].id, _step(base, motion, level + 1, level)) if level == repeats(motion) - 1 else None
    return Start(made[level - 1].id, strength, _step(base, motion, level - 1, level), inlay=inlay)


def _painted(base: Shot, motion: Motion, level: int, made: dict[int, Shot]) -> Start:
    """Around the level after."""
    return Start(made[level + 1].id, 1.0, _step(base, motion, level + 1, level), paint=True)


def _step(base: Shot, motion: Motion, other: int, level: int) -> Camera:
    """What a level shows of another one."""
    return seen(place(motion, level), place(motion, other), base.width / base.height)
