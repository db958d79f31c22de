"""``zoom``: a moving camera over one scene, which is rendered as nested keyframes.

The prompt's picture is the scene at zoom 1. Keyframe d shows the scene at zoom factor^d about ``target``. For d > 0 it
is the enlarged centre of its parent, refined by image to image with ``strength`` (compare Generative Powers of Ten,
https://arxiv.org/abs/2312.02149, which samples all levels jointly). For d < 0 its parent is shrunk into the centre and
the area around it is outpainted: masked denoising with an ordinary denoiser, as in RePaint
(https://arxiv.org/abs/2201.09865, without its resampling) and Blended Latent Diffusion
(https://arxiv.org/abs/2206.02779). The keyframes of ``prompts``, ``strength`` and ``guidance`` are [zoom, value].
``phrase`` adds the keyframe's own zoom to the prompt, for models that know distances.

A frame is composed from coarse to fine (``levels``), each keyframe through one exact sub-pixel warp, so the video shows
one rigid scene without visible switches. In a loop whose ends differ by factor^n, keyframe n equals keyframe 0, so
keyframe n-1 is refined around a copy of it.

Cost: one shot per ``factor`` of zoom (of ``strength`` x steps; outpainting: all steps), none per frame. Keyframes do
not depend on the camera, so a changed camera reuses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import blended, joined, next_seed
from sdbatch.motion.deforum import Formula
from sdbatch.motion.key_errors import key_error
from sdbatch.motion.keys import variables
from sdbatch.motion.levels import FEATHER, at_depth, level_camera, level_range, loop_levels, number_at, visible_levels
from sdbatch.motion.mode import Mode
from sdbatch.motion.poses import poses, relative
from sdbatch.motion.settings import Motion
from sdbatch.motion.waves import Wave
from sdbatch.spec.jobs import Frame, Layer, Shot
from sdbatch.spec.start import Camera, Overlay, Start

BY_DEPTH = frozenset({"prompts", "strength", "guidance"})
USES = frozenset({"zoom", "x", "y", "roll", "loop", "factor", "target", "phrase", *BY_DEPTH})
STRENGTH = 0.5  # of refinement, the default


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """Zooms of keyframes must increase; a phrase may use the zoom only; a loop must end on a keyframe."""
    for name in sorted(BY_DEPTH):
        yield from _depths(motion, name)
    for name in sorted(variables(motion.phrase) - {"zoom"}):
        yield key_error("phrase", f"unknown variable {{{name}}} in mode zoom; allowed: zoom (of the keyframe)")
    try:
        loop_levels(motion)
    except PydanticCustomError as e:
        yield e


def _depths(motion: Motion, name: str) -> Iterator[PydanticCustomError]:
    previous = 0.0
    if isinstance(getattr(motion, name), Wave | Formula):
        yield key_error(name, "is over time, but in mode zoom it goes by depth; write [zoom, value]: [1, …], [4, …]")
        return
    for key in getattr(motion, name) or ():
        if key.time == 0 and len(getattr(motion, name)) == 1:
            return  # a plain number
        if isinstance(key.time, str) or key.time <= 0:
            yield key_error(name, f"{key.time!r} is not a zoom; in mode zoom write [zoom, value]: [1, …], [4, …]")
            return
        if key.time <= previous:
            yield key_error(name, f"zooms must increase: {key.time:g} follows {previous:g}")
        previous = float(key.time)


def order(base: Shot, motion: Motion) -> list[int]:
    """The level of every shot: from level 0 to the finest, then from -1 to the coarsest."""
    if cycle := loop_levels(motion):
        return [*range(cycle)]
    low, high = level_range(motion, base.width / base.height)
    return [*range(high + 1), *range(-1, low - 1, -1)]


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """The keyframes, parents before children."""
    keyframes: dict[int, Shot] = {}
    for level in order(base, motion):
        shot = _keyframe(base, motion, level)
        if level:
            start = _refinement if level > 0 else _outpainting
            shot = shot.starting(start(base, motion, level, keyframes))
        keyframes[level] = shot
        yield shot


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """Every frame: the finest keyframe that fills it, and the finer ones over it."""
    cycle = loop_levels(motion)
    index = {level: i for i, level in enumerate(order(base, motion))}
    for view in poses(motion):
        levels = visible_levels(motion, view, base.width / base.height)
        yield tuple(
            Layer(index[v.level % cycle if cycle else v.level], v.camera, v.weight, FEATHER if n else 0.0)
            for n, v in enumerate(levels)
        )


def cameras(base: Shot, motion: Motion) -> list[Camera]:
    """The camera over the scene of every shot."""
    return [level_camera(motion, level) for level in order(base, motion)]


def _keyframe(base: Shot, motion: Motion, level: int) -> Shot:
    """The shot of a level, without its start picture."""
    zoom, seed = motion.factor**level, next_seed(base.seed, level)
    texts = at_depth(motion.prompts, zoom) if motion.prompts else ("", "", 0.0)
    base = replace(base, prompt=joined(base.prompt, motion.phrase_at(zoom)))
    shot = blended(base, texts, (seed, seed, 0.0))
    return replace(shot, guidance=number_at(motion.keyframes("guidance"), zoom)) if motion.guidance else shot


def _refinement(base: Shot, motion: Motion, level: int, keyframes: dict[int, Shot]) -> Start:
    """Start from the centre of the previous level; the last level of a loop has level 0 as an overlay in its centre."""
    strength = number_at(motion.keyframes("strength"), motion.factor**level) if motion.strength else STRENGTH
    last = level == loop_levels(motion) - 1
    inlay = Overlay(keyframes[0].id, _step(base, motion, level + 1, level)) if last else None
    return Start(keyframes[level - 1].id, strength, _step(base, motion, level - 1, level), inlay=inlay)


def _outpainting(base: Shot, motion: Motion, level: int, keyframes: dict[int, Shot]) -> Start:
    """Start from the next finer level and paint the area around it."""
    return Start(keyframes[level + 1].id, 1.0, _step(base, motion, level + 1, level), paint=True)


def _step(base: Shot, motion: Motion, other: int, level: int) -> Camera:
    """The camera of ``level`` relative to level ``other``."""
    return relative(level_camera(motion, level), level_camera(motion, other), base.width / base.height)


MODE = Mode(USES, shots, frames, check, by_depth=BY_DEPTH, own_loop=frozenset({"zoom"}))
