"""``prompt``: the words move. Every frame is denoised from the same seed with the base prompt plus a motion phrase.

Known from prompt-travel notebooks (and Deforum's prompt schedules). Shots are independent; cost: one per frame.
Frames that come out with the same words are one shot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdbatch.jobs import Frame, Layer, Shot
from sdbatch.motion.settings import Motion

USES = frozenset({"phrase", "zoom", "x", "y", "roll"})


def shots(base: Shot, motion: Motion) -> Iterator[Shot]:
    """One shot per distinct phrase, in order of appearance."""
    for phrase in dict.fromkeys(motion.phrases()):
        yield replace(base, prompt=", ".join(filter(None, (base.prompt, phrase))))


def frames(motion: Motion) -> Iterator[Frame]:
    """Frame i shows the shot of its phrase, whole."""
    phrases = motion.phrases()
    index = {phrase: i for i, phrase in enumerate(dict.fromkeys(phrases))}
    for phrase in phrases:
        yield (Layer(index[phrase]),)
