"""``prompt``: the prompt changes. Every frame is denoised from the same seed with the base prompt plus a motion phrase.

As in prompt travel notebooks and Deforum's prompt schedules. Shots are independent. Cost: one shot per frame; frames
with equal prompts share one shot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import distinct, joined, single_layer_frames, with_frames, with_guidance
from sdbatch.motion.key_errors import key_error
from sdbatch.motion.keys import variables
from sdbatch.motion.mode import Mode
from sdbatch.motion.settings import Motion
from sdbatch.motion.waves import Wave
from sdbatch.spec.jobs import Frame, Shot

VARIABLES = ("zoom", "x", "y", "roll", "weight")
USES = frozenset({*VARIABLES, "phrase", "guidance", "loop"})


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """A schedule has an effect only if the phrase contains its variable."""
    for name in VARIABLES:
        if name not in variables(motion.phrase) and _varies(motion, name):
            yield key_error(name, f"has no effect: in mode prompt only the phrase changes, and it lacks {{{name}}}")


def _varies(motion: Motion, name: str) -> bool:
    schedule = getattr(motion, name)
    if isinstance(schedule, Wave) and schedule.needs_beats:
        return schedule.low != schedule.high
    return len({k.value for k in motion.keyframes(name)}) > 1


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """One shot per distinct phrase (and guidance), in order of appearance."""
    yield from distinct(_shots_per_frame(base, motion))


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """Frame i shows the whole shot of its phrase."""
    yield from single_layer_frames(_shots_per_frame(base, motion))


def _shots_per_frame(base: Shot, motion: Motion) -> list[Shot]:
    shots = [replace(base, prompt=joined(base.prompt, phrase)) for phrase in motion.phrases()]
    return with_guidance(with_frames(shots, motion), motion)


MODE = Mode(USES, shots, frames, check)
