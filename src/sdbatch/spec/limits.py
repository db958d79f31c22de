"""Ranges of numbers that more than one module validates: in a configuration and in the metadata of a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """``low`` to ``high``, both allowed."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}–{self.high:g}"


STEPS = Range(1, 1000)
GUIDANCE = Range(1, 30)
CLIP_SKIP = Range(1, 12)
ROWS = Range(1, 512)
VAE_BATCH = Range(1, 64)
