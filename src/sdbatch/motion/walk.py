"""``walk``: prompt and noise are interpolated between the keyframes of ``prompts`` and ``seeds``.

Text embeddings are interpolated linearly and noise spherically (slerp), as in stable-diffusion-videos
(https://github.com/nateraw/stable-diffusion-videos) and in Karpathy's script before it. Every frame is denoised from
noise. Shots are independent. Cost: one shot per frame; equal frames share one shot.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import blended, distinct, single_layer_frames, with_frames, with_guidance
from sdbatch.motion.key_errors import key_error
from sdbatch.motion.mode import Mode
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Shot

USES = frozenset({"prompts", "seeds", "guidance", "loop"})


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """A walk needs two keyframes of a prompt or of a seed."""
    if len(motion.prompts) < 2 and len(motion.seeds) < 2:
        yield key_error("prompts", "a walk needs two keyframes of prompts or of seeds: [[0, first], [end, second]]")


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """One shot per distinct frame, in order of appearance."""
    yield from distinct(_shots_per_frame(base, motion))


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """Frame i shows its whole shot."""
    yield from single_layer_frames(_shots_per_frame(base, motion))


def _shots_per_frame(base: Shot, motion: Motion) -> list[Shot]:
    texts = motion.track("prompts") if motion.prompts else [("", "", 0.0)] * motion.count
    seeds = motion.track("seeds") if motion.seeds else [(base.seed, base.seed, 0.0)] * motion.count
    shots = (blended(base, t, s) for t, s in zip(texts, seeds, strict=True))
    return with_guidance(with_frames(shots, motion), motion)


MODE = Mode(USES, shots, frames, check)
