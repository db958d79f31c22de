"""Names of the ``motion:`` keys: which are curves, which are tracks, and what a phrase may name. Pure."""

from __future__ import annotations

import re

FRAMES = (2, 100_000)
CURVES = ("zoom", "x", "y", "roll", "weight", "strength", "guidance")  # numbers
TRACKS = ("prompts", "seeds")  # texts and whole numbers
VARIABLES = ("t", "frame", "zoom", "x", "y", "roll", "weight")
FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")


def variables(phrase: str) -> set[str]:
    """The names in braces."""
    return {name for name, _ in FIELD.findall(phrase)}
