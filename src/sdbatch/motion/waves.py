"""Waves: schedules that repeat, such as ``{wave: sin, period: 2s, from: 1, to: 1.1}``. Pure.

A wave is a function from the time in periods to a share in [0, 1] of the way from ``from`` to ``to``. ``noise`` has an
independent value at every whole period, a hash of the seed, and is interpolated smoothly in between. In a loop of a
whole number of periods its values repeat. ``beats`` is at ``to`` at each of its times, and falls to ``from``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from sdbatch.errors import nearest, shown
from sdbatch.motion.key_errors import combined_error, key_error
from sdbatch.motion.schedule import Clock, Key, Time, is_span
from sdbatch.spec.ranges import SEED_RANGE

BEATS = "beats"
EXAMPLE = "{wave: sin, period: 2s, from: 1, to: 1.1}"
MAX_TIMES, MAX_SECONDS = 100_000, 1e6  # of beats
_EPS = 1e-9  # of a period: the end of the video may be a whole period less a rounding error


@dataclass(frozen=True, slots=True)
class Wave:
    """``wave`` is ``beats`` or a key of ``SHAPES``. ``phase`` shifts it by a share of the period. A pulse is at
    ``high`` for the share ``width`` of the period. ``seed`` is that of noise. ``fall`` and ``times`` (seconds)
    are those of beats, which repeat after ``period`` if it is not empty.
    """

    wave: str
    period: Time
    low: float  # the key ``from``
    high: float  # the key ``to``
    phase: float = 0.0
    width: float = 0.5
    seed: int = 0
    fall: Time = "0.3s"
    times: tuple[float, ...] = ()

    def __str__(self) -> str:
        shown = (v for k, v in dump(self).items() if k != "times")
        return " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in shown)

    @property
    def needs_beats(self) -> bool:
        """Whether the times of its beats are those of a sound, which are not known yet."""
        return self.wave == BEATS and not self.times

    def keyframes(self, clock: Clock, *, log: bool = False) -> tuple[Key[float], ...]:
        """A keyframe for every frame, with ``log`` interpolated in log space. Raises ValueError for the period."""
        low, high = (math.log(v) if log else v for v in (self.low, self.high))
        shares = _beats(self, clock) if self.wave == BEATS else self._shares(clock)
        values = (low + (high - low) * share for share in shares)
        return tuple(Key(i, math.exp(v) if log else v) for i, v in enumerate(values))

    def _shares(self, clock: Clock) -> Iterator[float]:
        period = clock.span(self.period)
        shape, cycle = SHAPES[self.wave], round(clock.end / period) if clock.closed else 0
        return (shape(i / period + self.phase, self, cycle) for i in range(clock.frames))


def _beats(wave: Wave, clock: Clock) -> Iterator[float]:
    """1 at the frame of every beat, then falling to 0. A loop begins with the end of its last beat."""
    fall, fps = max(1.0, clock.lasting(wave.fall)), float(clock.fps)
    count = clock.end if clock.closed else clock.frames
    every = clock.span(wave.period) / fps if wave.period != "" else 0.0
    repeats = math.ceil(count / fps / every) if every else 1
    placed = (round((t + n * every) * fps) for n in range(repeats) for t in wave.times)
    starts = sorted({frame for frame in placed if 0 <= frame < count})
    if clock.closed and starts:
        starts = [starts[-1] - count, *starts, starts[0] + count]
    for frame in range(clock.frames):
        k = bisect_right(starts, frame)
        yield max(0.0, 1 - (frame - starts[k - 1]) / fall) ** 2 if k else 0.0


def beat(wave: Wave, times: tuple[float, ...], seconds: float, clock: Clock) -> Wave:
    """``wave`` with the ``times`` of a sound of ``seconds``, which repeats if it is shorter than the video."""
    length = clock.frames / float(clock.fps)
    period = f"{round(seconds, 4)}s" if seconds < length else ""
    return replace(wave, times=tuple(t for t in times if t <= length), period=period)


def _pulse(at: float, wave: Wave, _: int) -> float:
    return 1.0 if at + _EPS - math.floor(at + _EPS) < wave.width else 0.0


def _noise(at: float, wave: Wave, cycle: int) -> float:
    k = math.floor(at)
    t = at - k
    a, b = (_random(wave.seed, n % cycle if cycle else n) for n in (k, k + 1))
    return a + (b - a) * t * t * t * (t * (t * 6 - 15) + 10)


@lru_cache(maxsize=1024)
def _random(seed: int, n: int) -> float:
    return int.from_bytes(blake2b(f"{seed}/{n}".encode(), digest_size=6).digest()) / 2**48


SHAPES: dict[str, Callable[[float, Wave, int], float]] = {
    "sin": lambda at, _, __: (1 + math.sin(2 * math.pi * at)) / 2,
    "cos": lambda at, _, __: (1 + math.cos(2 * math.pi * at)) / 2,
    "pulse": _pulse,
    "noise": _noise,
}
_FIELDS = {"wave": "wave", "period": "period", "from": "low", "to": "high"}  # keys, and fields of Wave
REQUIRED = tuple(_FIELDS)
_FIELDS |= {name: name for name in ("phase", "width", "seed", "fall", "times")}
_ONLY = {"width": "pulse", "seed": "noise", "fall": BEATS, "times": BEATS}  # keys of one wave
_NAMES = (*SHAPES, BEATS)
_RANGES = {"phase": (0, 1), "width": (0, 1), "seed": SEED_RANGE}


class WaveKeys(BaseModel):
    """A schedule that repeats, such as {wave: sin, period: 2s, from: 1, to: 1.1}."""

    # For the JSON Schema alone: ``parse`` validates, with messages for users.
    model_config = ConfigDict(extra="forbid")

    wave: Literal["sin", "cos", "pulse", "noise", "beats"] = Field(description="the shape")
    period: float | str = Field("", description="length of one repetition: frames (24), seconds (2s) or a share (50%)")
    low: float = Field(alias="from", description="the value at one end")
    high: float = Field(alias="to", description="the value at the other end")
    phase: float = Field(0.0, ge=0, le=1, description="where the wave begins, as a share of the period")
    width: float = Field(0.5, ge=0, le=1, description="pulse: the share of the period at to")
    seed: int = Field(0, ge=SEED_RANGE[0], le=SEED_RANGE[1], description="noise: its seed")
    fall: float | str = Field("0.3s", description="beats: how long a beat falls from to to from")
    times: list[float] = Field([], description="beats: seconds; without them those of encoding.audio")


def dump(wave: Wave) -> dict[str, Any]:
    """``wave`` as ``parse`` takes it, without the keys that are at their defaults."""
    usual = Wave(wave.wave, wave.period, wave.low, wave.high)
    values = {key: getattr(wave, name) for key, name in _FIELDS.items()}
    shown = {k: v for k, v in values.items() if (k in REQUIRED and v != "") or v != getattr(usual, _FIELDS[k])}
    return shown | ({"times": list(wave.times)} if wave.times else {})


def parse(data: Mapping[str, Any]) -> Wave:
    """The wave in ``data``. Raises one PydanticCustomError with every mistake."""
    if errors := list(_errors(data)):
        raise combined_error(errors)
    own = ("wave", "period", "seed", "fall", "times")
    values: dict[str, Any] = {"period": ""} | {_FIELDS[k]: v if k in own else float(v) for k, v in data.items()}
    if "times" in data:
        values["times"] = tuple(map(float, data["times"]))
    return Wave(**values)


def _errors(data: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
    for key in data:
        if key not in _FIELDS:
            hint = nearest(key, _FIELDS) or f"known: {', '.join(_FIELDS)}"
            yield key_error(key, f"unknown key ({hint})")
        elif message := _mistake(key, data):
            yield key_error(key, message)
    for key in REQUIRED:
        if key not in data and (key, data.get("wave")) != ("period", BEATS):
            yield key_error(key, f"is missing; for example write {EXAMPLE}")


def _mistake(key: str, data: Mapping[str, Any]) -> str:
    """What is wrong with the value of the known ``key``; empty if nothing is."""
    value, wave = data[key], data.get("wave")
    if key == "wave":
        if isinstance(value, str) and value in _NAMES:
            return ""
        hint = nearest(str(value), _NAMES)
        return f"unknown wave {shown(value)}; allowed: {', '.join(_NAMES)}" + (f"; {hint}" if hint else "")
    if key in _ONLY and wave in _NAMES and wave != _ONLY[key]:
        return f"is not used by wave {wave}, only by {_ONLY[key]}"
    if key == "phase" and wave == BEATS:
        return "is not used by wave beats"
    if key in ("period", "fall"):
        how = "write frames (24), seconds (2s) or a percentage (50%)"
        return "" if is_span(value) else f"{shown(value)} is not a {'period' if key == 'period' else 'length'}; {how}"
    if key == "times":
        return "" if _is_times(value) else f"{shown(value)} is not a list of increasing seconds; write [0.5, 1, 1.5]"
    whole = key == "seed"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return f"{shown(value)} is not a {'whole ' if whole else ''}number"
    low, high = _RANGES.get(key, (-math.inf, math.inf))
    return "" if low <= value <= high else f"{value:g} is out of range {low}–{high}"


def _is_times(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not value or len(value) > MAX_TIMES:
        return False
    numbers = all(isinstance(t, int | float) and not isinstance(t, bool) and 0 <= t <= MAX_SECONDS for t in value)
    return numbers and all(a < b for a, b in pairwise(value))
