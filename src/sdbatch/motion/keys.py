"""Names of the ``motion:`` keys: curves, tracks, and the variables of a phrase. Pure."""

from __future__ import annotations

import re

from sdbatch.spec.limits import GUIDANCE

FRAMES = (2, 100_000)  # frames of a video, inclusive
CURVES = ("zoom", "x", "y", "roll", "weight", "strength", "guidance")  # schedules of numbers
TRACKS = ("prompts", "seeds")  # schedules of texts and of seeds
RANGES = {
    "zoom": (0.001, 10_000),
    "x": (-100, 100),
    "y": (-100, 100),
    "roll": (-36_000, 36_000),
    "weight": (0, 10),
    "strength": (0.01, 1),
    "guidance": (GUIDANCE.low, GUIDANCE.high),
}
VARIABLES = ("t", "frame", "zoom", "x", "y", "roll", "weight")
FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")


def out_of_range(name: str, value: float) -> str:
    """What is wrong with ``value`` in the schedule ``name``; empty if nothing is."""
    low, high = RANGES[name]
    return "" if low <= value <= high else f"{value:g} is out of range {low:g}–{high:g}"


def variables(phrase: str) -> set[str]:
    """The names in braces in ``phrase``."""
    return {name for name, _ in FIELD.findall(phrase)}
