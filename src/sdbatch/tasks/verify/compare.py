"""Compares two pictures, videos or profiles. Does not know jobs and folders."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from sdbatch import video_reader
from sdbatch.media import png
from sdbatch.spec.renderer import Pixels, Profile


@dataclass(frozen=True, slots=True)
class Distance:
    """The difference of two pictures or videos.

    ``psnr``: dB over all frames, infinite if equal. ``largest``: largest difference of a channel, 0 to 255.
    ``differ``: how many of ``frames`` differ. ``first``: index of the first of them, -1 if none.
    """

    psnr: float = math.inf
    largest: int = 0
    differ: int = 0
    frames: int = 0
    first: int = -1
    why: str = ""  # the reason, if they cannot be compared
    unit: str = "frame"  # or shot

    @property
    def equal(self) -> bool:
        return not self.differ and not self.why

    def asdict(self) -> dict[str, Any]:
        """JSON-compatible: an infinite PSNR is None."""
        psnr = round(self.psnr, 2) if math.isfinite(self.psnr) else None
        out: dict[str, Any] = {"psnr": psnr, "largest": self.largest, "frames": self.frames, "differ": self.differ}
        more = {"first": self.first, "unit": self.unit} if self.differ else {}
        return out | more | ({"why": self.why} if self.why else {})

    def __str__(self) -> str:
        if self.why or self.equal:
            return self.why or "bit-equal"
        where = f", {self.differ} of {self.frames} {self.unit}s, the first is {self.first}" if self.frames > 1 else ""
        return f"PSNR {self.psnr:.1f} dB, largest difference {self.largest} of 255{where}"


def files(one: Path, other: Path) -> Distance:
    """Compare two PNGs or two videos frame by frame. Read errors are reported in ``why``, not raised."""
    try:
        return frames(_frames(one), _frames(other))
    except ValueError as e:
        return Distance(why=str(e))


def shots(one: Iterable[Path], other: Iterable[Path]) -> Distance:
    """Compare the stored shots of two videos, in order."""
    try:
        found = frames(map(png.decode, one), map(png.decode, other))
    except ValueError as e:
        return Distance(why=str(e))
    return replace(found, unit="shot")


def frames(one: Iterable[Pixels], other: Iterable[Pixels]) -> Distance:
    """Compare two sequences of frames (height, width, 3), two frames in memory at a time."""
    squares, values, largest, differ, count, first = 0.0, 0, 0, 0, 0, -1
    for count, (a, b) in enumerate(zip_longest(one, other), 1):
        if a is None or b is None or a.shape != b.shape:
            return Distance(0.0, 255, differ + 1, count, max(first, 0), _mismatch(a, b, count - 1))
        values += a.size
        if np.array_equal(a, b):
            continue
        gap = np.abs(a.astype(np.int16) - b)
        squares += float(np.square(gap, dtype=np.int64).sum())
        largest, differ = max(largest, int(gap.max())), differ + 1
        first = count - 1 if first < 0 else first
    psnr = math.inf if not squares else 10 * math.log10(255**2 * values / squares)
    return Distance(psnr, largest, differ, count, first)


def _mismatch(a: Pixels | None, b: Pixels | None, before: int) -> str:
    if a is None or b is None:
        return f"different lengths: one ends after {before} frames"
    sizes = [f"{x.shape[1]}x{x.shape[0]}" for x in (a, b)]
    return f"different sizes: {' and '.join(sizes)}"


def _frames(path: Path) -> Iterable[Pixels]:
    return [png.decode(path)] if path.suffix.lower() == ".png" else video_reader.decode(path)


def profiles(recorded: Profile, present: Profile) -> list[dict[str, str]]:
    """The differences of two profiles, as ``{"key", "recorded", "present"}``; versions are listed by package."""
    return [{"key": k, "recorded": one, "present": other} for k, one, other in recorded.differences(present)]
