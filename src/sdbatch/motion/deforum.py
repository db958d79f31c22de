"""Deforum's schedule strings, ``"0:(1.0), 30:(1.05)"``, parsed into keyframes. Expressions are not evaluated.

As in Deforum (https://github.com/deforum-art/deforum-stable-diffusion), interpolation between keyframes is linear.
Deforum's ``zoom`` and ``translation_*`` are increments *per frame*; in sdbatch they are values: 1.04 is a zoom of 1.04.
"""

from __future__ import annotations

import re

from sdbatch.motion.schedule import Key

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def parse(text: str) -> tuple[Key[float], ...]:
    """The keyframes in ``text``, with frame numbers as times. Raises ValueError for an expression or other text."""
    keys = []
    for entry in text.strip().removesuffix(",").split(","):
        frame, colon, value = entry.partition(":")
        if not colon:
            raise ValueError(f"{entry.strip()[:60]!r} is not a Deforum schedule; write 0:(1.0), 30:(1.05)")
        keys.append(Key(_frame(frame.strip()), _number(value)))
    return tuple(keys)


def _frame(text: str) -> int:
    frame = text.strip("\"'")
    if not frame.isdecimal() or len(frame) > 9:
        raise ValueError(f"{text!r} is not a frame number of a Deforum schedule; write 0:(1.0), 30:(1.05)")
    return int(frame)


def _number(text: str) -> float:
    value = text.strip()
    while value.startswith("(") and value.endswith(")"):
        value = value[1:-1].strip()
    if not _NUMBER.fullmatch(value):
        raise ValueError(
            f"{value[:60]!r} is an expression, which is not evaluated; write keyframes as [time, value, ease]"
        )
    return float(value)
