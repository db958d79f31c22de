"""Are two pictures, two videos, two profiles the same, and if not, how far apart? Knows no jobs and no folders."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from sdbatch.media import png, video_reader
from sdbatch.spec.renderer import Pixels, Profile


@dataclass(frozen=True, slots=True)
class Distance:
    """How far apart two pictures or videos are: ``psnr`` in dB of all frames together (infinite: equal), the
    ``largest`` difference of a channel, the share of ``frames`` that differ and the ``first`` of them (-1: none)."""

    psnr: float = math.inf
    largest: int = 0
    differ: int = 0
    frames: int = 0
    first: int = -1
    why: str = ""  # they cannot be compared
    unit: str = "frame"  # or shot

    @property
    def equal(self) -> bool:
        return not self.differ and not self.why

    def asdict(self) -> dict[str, Any]:
        """As JSON has it: no infinity."""
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
    """Two PNGs or two videos, decoded frame by frame. What cannot be read is said, never raised."""
    try:
        return frames(_frames(one), _frames(other))
    except ValueError as e:
        return Distance(why=str(e))


def shots(one: Iterable[Path], other: Iterable[Path]) -> Distance:
    """The lossless pictures of two videos, one by one."""
    try:
        found = frames(map(png.decode, one), map(png.decode, other))
    except ValueError as e:
        return Distance(why=str(e))
    return replace(found, unit="shot")


def frames(one: Iterable[Pixels], other: Iterable[Pixels]) -> Distance:
    """Frame by frame; memory holds two of them."""
    squares, values, largest, differ, count, first = 0.0, 0, 0, 0, 0, -1
    for count, (a, b) in enumerate(zip_longest(one, other), 1):
        if a is None or b is None or a.shape != b.shape:
            return Distance(0.0, 255, differ + 1, count, max(first, 0), _unlike(a, b, count - 1))
        values += a.size
        if np.array_equal(a, b):
            continue
        gap = np.abs(a.astype(np.int16) - b)
        squares += float(np.square(gap, dtype=np.int64).sum())
        largest, differ = max(largest, int(gap.max())), differ + 1
        first = count - 1 if first < 0 else first
    psnr = math.inf if not squares else 10 * math.log10(255**2 * values / squares)
    return Distance(psnr, largest, differ, count, first)


def _unlike(a: Pixels | None, b: Pixels | None, before: int) -> str:
    if a is None or b is None:
        return f"of different lengths: one ends after {before} frames"
    sizes = [f"{x.shape[1]}x{x.shape[0]}" for x in (a, b)]
    return f"of different sizes: {' and '.join(sizes)}"


def _frames(path: Path) -> Iterable[Pixels]:
    return [png.decode(path)] if path.suffix.lower() == ".png" else video_reader.decode(path)


def profiles(recorded: Profile, present: Profile) -> list[dict[str, str]]:
    """What differs between two profiles: ``{"key", "recorded", "present"}``, versions by package."""
    one, other = _flat(recorded), _flat(present)
    keys = dict.fromkeys([*one, *other])
    return [
        {"key": k, "recorded": one.get(k, "none"), "present": other.get(k, "none")}
        for k in keys
        if one.get(k) != other.get(k)
    ]


def _flat(profile: Profile) -> dict[str, str]:
    values = profile.asdict()
    return {str(k): str(v) for k, v in (values | values.pop("versions")).items()}
