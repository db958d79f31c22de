"""Typed schedules: lists of ``[time, value, ease]`` over the frames of a video. Pure; no expressions are evaluated.

Times are frames (``24``), seconds (``"1.5s"``), percentages (``"50%"``) or ``"end"`` (the last frame). The ease of a
keyframe applies to the interpolation from the previous keyframe *to* it. Zoom is interpolated in log space (constant
perceived speed). Easings are Penner's (https://robertpenner.com/easing); ``ramp`` is constant speed with a short
acceleration and deceleration.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Generic, TypeVar

from sdbatch.errors import nearest, shown

Time = int | float | str
Value = TypeVar("Value")
_TIME = re.compile(r"^(\d+(?:\.\d+)?)(s|%)?$")
_BACK = 1.70158  # Penner: overshoots by 10 %


def _ramp(t: float, soft: float = 0.15) -> float:
    """Constant speed between a parabolic acceleration and deceleration, each of length ``soft``."""
    v = 1 / (1 - soft)
    if t < soft:
        return v * t * t / (2 * soft)
    if t > 1 - soft:
        return 1 - v * (1 - t) ** 2 / (2 * soft)
    return v * (t - soft / 2)


_IN: dict[str, Callable[[float], float]] = {
    "sine": lambda t: 1 - math.cos(t * math.pi / 2),
    "quad": lambda t: t * t,
    "cubic": lambda t: t**3,
    "expo": lambda t: (2 ** (10 * t) - 1) / 1023,
    "back": lambda t: t * t * ((_BACK + 1) * t - _BACK),
}


def _out(f: Callable[[float], float]) -> Callable[[float], float]:
    return lambda t: 1 - f(1 - t)


def _in_out(f: Callable[[float], float]) -> Callable[[float], float]:
    return lambda t: f(2 * t) / 2 if t < 0.5 else 1 - f(2 - 2 * t) / 2


EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "hold": lambda t: 0.0 if t < 1 else 1.0,
    "ramp": _ramp,
    **{f"in_{n}": f for n, f in _IN.items()},
    **{f"out_{n}": _out(f) for n, f in _IN.items()},
    **{f"in_out_{n}": _in_out(f) for n, f in _IN.items()},
}


@dataclass(frozen=True, slots=True)
class Key(Generic[Value]):
    """A keyframe as configured. ``value`` is a number, a text or a seed; ``ease`` is a key of ``EASINGS``."""

    time: Time
    value: Value
    ease: str = "linear"


@dataclass(frozen=True, slots=True)
class Clock:
    """The frames of a video at ``fps``. In a ``closed`` one (a loop) the last is where the next repetition begins."""

    frames: int
    fps: Fraction
    closed: bool = False

    @property
    def end(self) -> int:
        """The last frame, which the time ``end`` means."""
        return self.frames - 1

    def frame(self, time: Time) -> float:
        """The frame (may be fractional) at ``time``. Raises ValueError for an unknown form or a time after the end."""
        if time == "end":
            return float(self.end)
        m = _TIME.match(str(time).strip())
        if isinstance(time, bool) or not m:
            raise ValueError(
                f"{shown(time)} is not a time; write a frame (24), seconds (1.5s), a percentage (50%) or end"
            )
        frame, unit = self._frames(m), m[2]
        if frame > self.end + (1.0 if unit == "s" else 1e-9):  # 4s of a 4 s video is the end of its last frame
            length = (self.frames - self.closed) / float(self.fps)
            longer = f"seconds: {m[1]}" if unit == "s" else f"frames: {math.ceil(frame) + 1}"
            hint = f"write end for the last frame, or {longer} for a longer video"
            raise ValueError(f"{shown(time)} is beyond the end (frame {self.end}, {length:.3g}s); {hint}")
        return min(frame, float(self.end))

    def span(self, time: Time) -> float:
        """The number of frames (may be fractional) of the period ``time``. Raises ValueError if it is less than 1."""
        frames = self.lasting(time)
        if frames < 1:
            raise ValueError(f"the period {shown(time)} is shorter than a frame (1/{float(self.fps):g} s)")
        return frames

    def lasting(self, time: Time) -> float:
        """The number of frames (may be fractional) that the length ``time`` has."""
        m = _TIME.match(str(time).strip())
        return self._frames(m) if m else 0.0

    def _frames(self, m: re.Match[str]) -> float:
        number, unit = float(m[1]), m[2]
        return number * float(self.fps) if unit == "s" else number / 100 * self.end if unit == "%" else number


def is_span(time: object) -> bool:
    """Whether ``time`` is a number of frames, of seconds or a percentage, and not ``end``."""
    return isinstance(time, int | float | str) and not isinstance(time, bool) and bool(_TIME.match(str(time).strip()))


def check_ease(name: str) -> str:
    """``name``. Raises ValueError if it is not an easing."""
    if name not in EASINGS:
        hint = nearest(name, EASINGS)
        raise ValueError(f"unknown easing {shown(name)}; allowed: {', '.join(EASINGS)}" + (f"; {hint}" if hint else ""))
    return name


def points(keys: Sequence[Key[Value]], clock: Clock) -> list[tuple[float, Key[Value]]]:
    """Keyframes with their frames (may be fractional). Raises ValueError if the times do not increase."""
    placed = [(clock.frame(k.time), k) for k in keys]
    for (a, ka), (b, kb) in pairwise(placed):
        if b <= a:
            raise ValueError(f"times must increase: {kb.time!r} (frame {b:g}) follows {ka.time!r} (frame {a:g})")
    return placed


def curve(keys: Sequence[Key[float]], clock: Clock, *, log: bool = False) -> list[float]:
    """The value at every frame, with ``log`` interpolated in log space (values must be positive).

    Before the first and after the last keyframe the value is constant. Raises ValueError as ``points`` does.
    """
    placed = points(keys, clock)
    values = [math.log(k.value) if log else float(k.value) for _, k in placed]
    spans = (span(placed, frame) for frame in range(clock.frames))
    out = [values[i] + (values[j] - values[i]) * share for i, j, share in spans]
    return [math.exp(v) for v in out] if log else out


def span(placed: Sequence[tuple[float, Key[Value]]], frame: float) -> tuple[int, int, float]:
    """(i, j, share): the value at ``frame`` is interpolated from keyframe i to keyframe j by the eased ``share``.

    ``share`` can leave [0, 1] with the easings ``back``. Outside the keyframes i equals j.
    """
    j = bisect_right(placed, frame, key=lambda p: p[0])
    if j == 0 or j == len(placed):
        return max(0, j - 1), max(0, j - 1), 0.0
    (a, _), (b, key) = placed[j - 1], placed[j]
    return j - 1, j, EASINGS[key.ease]((frame - a) / (b - a))
