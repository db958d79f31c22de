"""Deforum's schedule strings: ``"0:(1.0), 30:(1.05)"`` are keyframes, ``"0:(1+0.1*sin(t/10))"`` is a formula.

As in Deforum (https://github.com/deforum-art/deforum-stable-diffusion), an expression holds from its frame to the next
entry, ``t`` is the frame and ``max_f`` the last frame. After a number the value is interpolated to the next entry.
Deforum's ``zoom`` and ``translation_*`` are increments *per frame*; in sdbatch they are values: 1.04 is a zoom of 1.04.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sdbatch.errors import shown
from sdbatch.motion import expression
from sdbatch.motion.schedule import Clock, Key, points

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Formula:
    """A schedule string with expressions; ``keys`` hold numbers and trees."""

    text: str
    keys: tuple[Key[expression.Node], ...]

    def __str__(self) -> str:
        return self.text

    def keyframes(self, clock: Clock, *, log: bool = False) -> tuple[Key[float], ...]:
        """The numbers, and a keyframe for every frame of an expression. ValueError if it has no value at a frame."""
        return tuple(self._sampled(clock))

    def _sampled(self, clock: Clock) -> Iterator[Key[float]]:
        placed = [(round(frame), key.value) for frame, key in points(self.keys, clock)]
        for (start, node), (end, _) in pairwise([*placed, (clock.frames, 0.0)]):
            for frame in range(start, start + 1 if isinstance(node, float) else end):
                yield Key(frame, expression.evaluate(node, frame, clock.end))


def parse(text: str) -> tuple[Key[float], ...] | Formula:
    """The keyframes in ``text``, with frame numbers as times. Raises ValueError for anything else."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"a schedule of {len(text)} characters is longer than {MAX_TEXT}")
    keys: list[Key[expression.Node]] = []
    numbers: list[Key[float]] = []
    for start, entry in _entries(text):
        frame, colon, value = entry.partition(":")
        if not colon:
            raise ValueError(f"{shown(entry.strip())} is not a Deforum schedule; write 0:(1.0), 30:(1.05)")
        node = _value(value, start + len(frame) + 2)
        keys.append(Key(_frame(frame.strip()), node))
        numbers += [Key(keys[-1].time, node)] if isinstance(node, float) else []
    return tuple(numbers) if len(numbers) == len(keys) else Formula(text.strip(), tuple(keys))


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """The parts between commas outside parentheses, with their positions; a comma at the end is ignored."""
    start = depth = 0
    text = text.rstrip().removesuffix(",")
    for i, c in enumerate(text):
        depth = max(0, depth + (c == "(") - (c == ")"))
        if c == "," and not depth:
            yield start, text[start:i]
            start = i + 1
    yield start, text[start:]


def _frame(text: str) -> int:
    frame = text.strip("\"'")
    if not frame.isdecimal() or len(frame) > 9:
        raise ValueError(f"{shown(text)} is not a frame number of a Deforum schedule; write 0:(1.0), 30:(1.05)")
    return int(frame)


def _value(text: str, column: int) -> expression.Node:
    value = text.strip()
    while value.startswith("(") and value.endswith(")"):
        value = value[1:-1].strip()
    return float(value) if _NUMBER.fullmatch(value) else expression.parse(text, column)
