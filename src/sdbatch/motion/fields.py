"""Types of ``motion:`` keys: schedules of numbers, tracks of texts and seeds, frame rates; with their dumps."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from sdbatch.errors import shown
from sdbatch.motion import deforum, waves
from sdbatch.motion.deforum import Formula
from sdbatch.motion.schedule import Key, check_ease
from sdbatch.motion.waves import Wave
from sdbatch.spec.ranges import SEED_RANGE

_RATE = re.compile(r"\s*[0-9]{1,9}(\.[0-9]{1,9}|/[0-9]{1,9})?\s*")  # short enough for Fraction to parse quickly
MAX_TEXT = 10_000
_KINDS = {"_number": "a number", "_text": "text", "_seed": "a seed"}


def _schedule(value: Any) -> Any:
    """A curve from ``2.0``, ``[[0, 1.0], [end, 2.5, in_out_sine]]``, a wave or Deforum's ``"0:(1.0), 30:(1.05)"``."""
    if isinstance(value, Wave | Formula):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (Key(0, float(value)),)
    if isinstance(value, str) and ":" in value:
        return deforum.parse(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0]  # as ``config.user_text`` writes it, so that OmegaConf does not merge it with another one
    if isinstance(value, dict) and not value.keys().isdisjoint(waves.REQUIRED):
        return waves.parse(value)
    if isinstance(value, dict):
        raise ValueError(not_a_list(value))
    if not isinstance(value, list | tuple) or not value:
        what = f"a number or a list of [time, value, ease], or {waves.EXAMPLE}"
        raise ValueError(f"{shown(value)} is not a schedule; write {what}")
    return _keys(value, _number)


def not_a_list(keyframes: dict[Any, Any]) -> str:
    """What to write for a schedule that is a mapping of times."""
    written = ", ".join(f"[{time}, {value}]" for time, value in list(keyframes.items())[:4])
    return f"{shown(keyframes)} is a mapping; a schedule is a list: [{written}{', …' * (len(keyframes) > 4)}]"


def _track(check: Callable[[Any], Any], what: str) -> BeforeValidator:
    def parse(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{shown(value)} is not a list of [time, {what}, ease]")
        return _keys(value, check)

    return BeforeValidator(parse, json_schema_input_type=list[list[float | str]])


def _keys(entries: Sequence[Any], check: Callable[[Any], Any]) -> tuple[Key[Any], ...]:
    return tuple(k if isinstance(k, Key) else _key(k, check) for k in entries)


def _key(entry: Any, check: Callable[[Any], Any]) -> Key[Any]:
    if not isinstance(entry, list | tuple) or len(entry) not in (2, 3):
        raise ValueError(f"{shown(entry)} is not a keyframe; write [time, value] or [time, value, ease]")
    time, value, *ease = entry
    if not isinstance(time, int | float | str) or isinstance(time, bool):
        raise ValueError(f"{shown(time)} is not a time; write a frame (24), seconds (1.5s), a percentage (50%) or end")
    try:
        return Key(time, check(value), check_ease(str(ease[0])) if ease else "linear")
    except TypeError:
        raise ValueError(f"{shown(value)} in {shown(list(entry))} is not {_KINDS[check.__name__]}") from None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    if len(value) > MAX_TEXT:
        raise ValueError(f"a text of {len(value)} characters is longer than {MAX_TEXT}")
    return value


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not SEED_RANGE[0] <= value <= SEED_RANGE[1]:
        raise ValueError(f"{value} is out of range {SEED_RANGE[0]}–{SEED_RANGE[1]}")
    return value


FPS = Fraction(24)  # where nothing else is known


def _fps(value: Any) -> Any:
    if value is None:
        return FPS
    known = isinstance(value, int | float | Fraction) or (isinstance(value, str) and _RATE.fullmatch(value))
    try:
        fps = Fraction(value).limit_denominator(1001) if known and not isinstance(value, bool) else None
    except ZeroDivisionError:
        fps = None
    if fps is None:
        raise ValueError(f"{shown(value)} is not a frame rate; write 24, 23.976 or 24000/1001")
    if not 1 <= fps <= 240:
        raise ValueError(f"{value} is out of range 1–240")
    return fps


def _dump(keys: tuple[Key[Any], ...]) -> list[list[Any]]:
    return [[k.time, k.value] if k.ease == "linear" else [k.time, k.value, k.ease] for k in keys]


def dumped(curve: Curve) -> list[list[Any]] | dict[str, Any] | str:
    """``curve`` as JSON data, from which it can be parsed."""
    if isinstance(curve, Wave):
        return waves.dump(curve)
    return curve.text if isinstance(curve, Formula) else _dump(curve)


Curve = tuple[Key[float], ...] | Wave | Formula
Schedule = Annotated[
    Curve,
    PlainValidator(_schedule, json_schema_input_type=float | str | list[list[float | str]] | waves.WaveKeys),
    PlainSerializer(dumped),
]
Texts = Annotated[tuple[Key[str], ...], _track(_text, "text"), PlainSerializer(_dump)]
Seeds = Annotated[tuple[Key[int], ...], _track(_seed, "seed"), PlainSerializer(_dump)]
Rate = Annotated[
    Fraction,
    BeforeValidator(_fps, json_schema_input_type=float | str | None),
    PlainSerializer(str, return_type=str),
]
