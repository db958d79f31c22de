"""``prompt``: the words move. Every frame is denoised from the same seed with the base prompt plus a motion phrase.

Known from prompt-travel notebooks (and Deforum's prompt schedules). Shots are independent; cost: one per frame.
Frames that come out with the same words are one shot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic_core import PydanticCustomError

from sdbatch.motion.chains import distinct, guided, joined, whole
from sdbatch.motion.fields import wrong
from sdbatch.motion.keys import variables
from sdbatch.motion.mode import Mode
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Shot

WORDS = ("zoom", "x", "y", "roll", "weight")
USES = frozenset({*WORDS, "phrase", "guidance", "loop"})


def check(motion: Motion) -> Iterator[PydanticCustomError]:
    """A schedule moves something only if the phrase names it."""
    for name in WORDS:
        if len({k.value for k in getattr(motion, name)}) > 1 and name not in variables(motion.phrase):
            yield wrong(name, f"moves nothing: in mode prompt only the phrase moves, and it has no {{{name}}}")


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """One shot per distinct phrase (and guidance), in order of appearance."""
    yield from distinct(_every(base, motion))


def frames(base: Shot, motion: Motion) -> Iterator[Frame]:
    """Frame i shows the shot of its phrase, whole."""
    yield from whole(_every(base, motion))


def _every(base: Shot, motion: Motion) -> list[Shot]:
    return guided([replace(base, prompt=joined(base.prompt, phrase)) for phrase in motion.phrases()], motion)


MODE = Mode(USES, shots, frames, check)
