"""``feedback``: every picture is made from the one before it, so the video dreams on.

The previous shot is warped by what the camera did since, its colours are pulled back to the first shot's (mean and
spread in Oklab), it is re-noised by ``strength`` and denoised: Deforum's 2D animation
(https://github.com/deforum-art/deforum-stable-diffusion) as typed schedules. Between the shots (``cadence`` frames
apart) the last one is warped onwards and the next one is warped back over it, more and more.

What a shot consumes is the stored picture of its parent and, for its colours, of the first shot: nothing is kept in
memory between shots, so a video that is resumed is the same to the bit. Shots are a chain (a video renders one at a
time; several videos side by side); cost: one shot of ``strength`` x steps per ``cadence`` frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import between, joined, next_seed
from sdbatch.motion.fields import wrong
from sdbatch.motion.poses import poses, seen
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Layer, Shot, Start

USES = frozenset(
    {"zoom", "x", "y", "roll", "phrase", "weight", "prompts", "strength", "guidance", "cadence", "colours", "loop"}
)
STRENGTH = 0.4  # unless the settings say so
SEAM = 0.12  # how softly the next shot lies over the last, where its edge is in view


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """A chain never comes back to where it began."""
    if motion.loop is True:
        yield wrong("loop", "a chain of pictures does not return to its first; allowed: false and pingpong")


def keys(motion: Motion) -> list[int]:
    """The frames that are shots: every ``cadence``-th and the last."""
    return [*range(0, motion.count - 1, motion.cadence), motion.count - 1]


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """The chain, first to last."""
    strength = motion.curve("strength") if motion.strength else [STRENGTH] * motion.count
    cameras, every = poses(motion), _every(base, motion)
    first = parent = ""
    before = 0
    for n, frame in enumerate(keys(motion)):
        shot = every[frame]
        if n:
            camera = seen(cameras[frame], cameras[before], base.width / base.height)
            start = Start(parent, round(strength[frame], 6), camera, colours=first if motion.colours == "first" else "")
            shot = replace(shot, seed=next_seed(base.seed, n), start=start)
        yield shot
        parent, before = shot.id, frame
        first = first or parent


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """A shot at its frame; between two of them both, warped to where the camera is."""
    at, cameras, aspect = keys(motion), poses(motion), base.width / base.height
    for n, (here, there) in enumerate(pairwise(at)):
        yield (Layer(n),)
        for frame in range(here + 1, there):
            share = round((frame - here) / (there - here), 6)
            last = Layer(n, seen(cameras[frame], cameras[here], aspect))
            yield last, Layer(n + 1, seen(cameras[frame], cameras[there], aspect), share, SEAM)
    yield (Layer(len(at) - 1),)


def _every(base: Shot, motion: Motion) -> list[Shot]:
    """What every frame's shot says, before it is a link of the chain."""
    words = motion.track("prompts") if motion.prompts else [("", "", 0.0)] * motion.count
    phrases = motion.phrases()
    guidance = motion.curve("guidance") if motion.guidance else [base.guidance] * motion.count
    same = (base.seed, base.seed, 0.0)
    return [
        replace(between(base, (joined(a, p), joined(b, p), share), same), guidance=round(g, 6))
        for (a, b, share), p, g in zip(words, phrases, guidance, strict=True)
    ]
