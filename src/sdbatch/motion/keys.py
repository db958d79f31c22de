"""Names of the ``motion:`` keys: curves, tracks, and the variables of a phrase. Pure."""

from __future__ import annotations

import re

FRAMES = (2, 100_000)  # frames of a video, inclusive
CURVES = ("zoom", "x", "y", "roll", "weight", "strength", "guidance")  # schedules of numbers
TRACKS = ("prompts", "seeds")  # schedules of texts and of seeds
VARIABLES = ("t", "frame", "zoom", "x", "y", "roll", "weight")
FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")


def variables(phrase: str) -> set[str]:
    """The names in braces in ``phrase``."""
    return {name for name, _ in FIELD.findall(phrase)}
