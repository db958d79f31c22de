"""``walk``: words and noise move from keyframe to keyframe of ``prompts`` and ``seeds``.

Text embeddings are interpolated and the noise is slerped, as in stable-diffusion-videos
(https://github.com/nateraw/stable-diffusion-videos) and Karpathy's walk before it; every frame is denoised whole.
Shots are independent; cost: one per frame. Frames that come out alike are one shot, so a held keyframe costs one.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import between, distinct, guided, whole
from sdbatch.motion.fields import wrong
from sdbatch.motion.mode import Mode
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Shot

USES = frozenset({"prompts", "seeds", "guidance", "loop"})


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """There must be a way to go."""
    if len(motion.prompts) < 2 and len(motion.seeds) < 2:
        yield wrong("prompts", "a walk needs two keyframes of prompts or of seeds: [[0, first], [end, second]]")


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """One shot per distinct frame, in order of appearance."""
    yield from distinct(_every(base, motion))


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """Frame i shows its shot, whole."""
    yield from whole(_every(base, motion))


def _every(base: Shot, motion: Motion) -> list[Shot]:
    still = [("", "", 0.0)] * motion.count
    words = motion.track("prompts") if motion.prompts else still
    seeds = motion.track("seeds") if motion.seeds else [(base.seed, base.seed, 0.0)] * motion.count
    return guided([between(base, w, s) for w, s in zip(words, seeds, strict=True)], motion)


MODE = Mode(USES, shots, frames, check)
