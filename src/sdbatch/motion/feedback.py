"""``feedback``: each shot is an image-to-image pass over the previous shot.

The previous shot is warped by the camera movement since then, its colours are matched to the first shot's (mean and
standard deviation in Oklab), it is re-noised by ``strength`` and denoised. This is Deforum's 2D animation
(https://github.com/deforum-art/deforum-stable-diffusion) with typed schedules. Shots are ``cadence`` frames apart. The
frames in between blend from the last shot, warped forwards, to the next shot, warped backwards.

With ``init.video`` the video's frame is mixed into the warped picture with the share ``follow``, before it is re-noised
(Deforum's hybrid video, compositing without a mask): the video says what moves, the shot before keeps the details.

The inputs of a shot are the stored pictures of its parent and, for its colours, of the first shot. Nothing else is kept
between shots, so a resumed video is equal to the bit. The shots of a video are rendered one after the other, several
videos in parallel. Cost: one shot of ``strength`` x steps per ``cadence`` frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import blended, joined, next_seed, with_frames
from sdbatch.motion.key_errors import key_error
from sdbatch.motion.mode import Mode
from sdbatch.motion.poses import poses, relative
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Layer, Shot
from sdbatch.spec.pictures import Follow
from sdbatch.spec.start import Start

USES = frozenset(
    {
        *("zoom", "x", "y", "roll", "phrase", "weight", "prompts", "strength"),
        *("guidance", "cadence", "colours", "loop", "follow"),
    }
)
STRENGTH = 0.4  # the default
FEATHER = 0.12  # width of the next shot's feathered edge, as a fraction of its shorter side


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """Reject ``loop: true``: the last shot of a chain never equals the first."""
    if motion.loop is True:
        yield key_error("loop", "mode feedback cannot return to its first picture; allowed: false and pingpong")


def keys(motion: Motion) -> list[int]:
    """The frames that are rendered as shots: every ``cadence``-th one and the last."""
    return [*range(0, motion.count - 1, motion.cadence), motion.count - 1]


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """The chain, from the first shot to the last."""
    strength = motion.curve("strength") if motion.strength else [STRENGTH] * motion.count
    cameras, shot_of = poses(motion), _shots_per_frame(base, motion)
    first = parent = ""
    previous = 0
    for n, frame in enumerate(keys(motion)):
        shot = shot_of[frame]
        if n:
            camera = relative(cameras[frame], cameras[previous], base.width / base.height)
            start = Start(parent, round(strength[frame], 6), camera, colours=first if motion.colours == "first" else "")
            start = replace(start, follow=_followed(base, shot, motion))
            shot = replace(shot, seed=next_seed(base.seed, n)).starting(start)
        yield shot
        parent, previous = shot.id, frame
        first = first or parent


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """A shot alone at its own frame; between two shots both of them, warped to the camera of the frame."""
    rendered, cameras, aspect = keys(motion), poses(motion), base.width / base.height
    for n, (last, following) in enumerate(pairwise(rendered)):
        yield (Layer(n),)
        for frame in range(last + 1, following):
            share = round((frame - last) / (following - last), 6)
            below = Layer(n, relative(cameras[frame], cameras[last], aspect))
            yield below, Layer(n + 1, relative(cameras[frame], cameras[following], aspect), share, FEATHER)
    yield (Layer(len(rendered) - 1),)


def _followed(base: Shot, shot: Shot, motion: Motion) -> Follow | None:
    """The frame of the user's video that is mixed into the picture that ``shot`` starts from."""
    if base.init is None or base.init.picture.clip is None or shot.init is None or not motion.follow:
        return None
    return Follow(shot.init.picture, motion.follow, shot.init.resize)


def _shots_per_frame(base: Shot, motion: Motion) -> list[Shot]:
    """The shot of every frame, with its prompt and guidance, but without its start picture."""
    texts = motion.track("prompts") if motion.prompts else [("", "", 0.0)] * motion.count
    phrases = motion.phrases()
    guidance = motion.curve("guidance") if motion.guidance else [base.guidance] * motion.count
    same = (base.seed, base.seed, 0.0)
    shots = (
        replace(blended(base, (joined(a, p), joined(b, p), share), same), guidance=round(g, 6))
        for (a, b, share), p, g in zip(texts, phrases, guidance, strict=True)
    )
    return with_frames(shots, motion)


MODE = Mode(USES, shots, frames, check)
