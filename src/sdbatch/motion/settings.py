"""The ``motion:`` keys of an experiment, for all modes; each mode says in its ``USES`` which of them it takes."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from sdbatch.errors import nearest
from sdbatch.schedule import Key, check_ease, curve

FRAMES = (2, 100_000)
VARIABLES = ("t", "frame", "zoom", "x", "y", "roll")
_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_FORMAT = re.compile(r"^\.?\d{0,2}[fg%]?$")


def _keys(value: Any) -> Any:
    """``2.0`` or ``[[0, 1.0], [end, 2.5, in_out_sine]]`` to keyframes."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (Key(0, float(value)),)
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{value!r} is no schedule; write a number or a list of [time, value, ease]")
    return tuple(k if isinstance(k, Key) else _key(k) for k in value)


def _key(entry: Any) -> Key:
    if not isinstance(entry, list | tuple) or len(entry) not in (2, 3):
        raise ValueError(f"{entry!r} is no keyframe; write [time, value] or [time, value, ease]")
    time, value, *ease = entry
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} in {list(entry)!r} is no number")
    return Key(time, float(value), check_ease(str(ease[0])) if ease else "linear")


def _fps(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction):
        raise ValueError(f"{value!r} is no frame rate; write 24, 23.976 or 24000/1001")
    try:
        fps = Fraction(value).limit_denominator(1001)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{value!r} is no frame rate; write 24, 23.976 or 24000/1001") from None
    if not 1 <= fps <= 240:
        raise ValueError(f"{value} is out of range 1–240")
    return fps


def _dump(keys: tuple[Key, ...]) -> list[list[Any]]:
    return [[k.time, k.value] if k.ease == "linear" else [k.time, k.value, k.ease] for k in keys]


Schedule = Annotated[
    tuple[Key, ...],
    BeforeValidator(_keys, json_schema_input_type=float | list[list[float | str]]),
    PlainSerializer(_dump),
]
Rate = Annotated[
    Fraction,
    BeforeValidator(_fps, json_schema_input_type=float | str),
    PlainSerializer(lambda f: str(f), return_type=str),
]


class Motion(BaseModel):
    """How a prompt becomes a film (or stays a picture)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True)

    mode: str = Field("still", description="still (a picture) or a way to make a film")
    seconds: float | None = Field(None, gt=0, le=3600, description="length of the film (or give frames)")
    frames: int | None = Field(None, ge=FRAMES[0], le=FRAMES[1], description="number of frames (or give seconds)")
    fps: Rate = Field(Fraction(24), description="frames per second, 1–240; a fraction such as 24000/1001 is exact")
    phrase: str = Field("", max_length=1000, description="added to the prompt of every frame, e.g. 'zoom {zoom:.2f}'")
    zoom: Schedule = Field((Key(0, 1.0),), description="enlargement over time, > 0, interpolated in log space")
    x: Schedule = Field((Key(0, 0.0),), description="pan to the right in fractions of the frame")
    y: Schedule = Field((Key(0, 0.0),), description="pan downwards in fractions of the frame")
    roll: Schedule = Field((Key(0, 0.0),), description="roll in degrees, clockwise")

    @field_validator("mode")
    @classmethod
    def _known(cls, mode: str) -> str:
        from sdbatch.motion import MODES  # the modes' own modules import these settings

        if mode not in MODES:
            hint = nearest(mode, MODES)
            raise ValueError(f"{mode!r} is no mode; allowed are {', '.join(MODES)}" + (f"; {hint}" if hint else ""))
        return mode

    @field_validator("zoom")
    @classmethod
    def _positive(cls, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        for k in keys:
            if not 0.001 <= k.value <= 10_000:
                raise ValueError(f"{k.value:g} is out of range 0.001–10000")
        return keys

    @field_validator("phrase")
    @classmethod
    def _template(cls, text: str) -> str:
        for name, form in _FIELD.findall(text):
            if name not in VARIABLES:
                raise ValueError(f"{{{name}}} is unknown; a phrase may use {', '.join(VARIABLES)}")
            if not _FORMAT.match(form):
                raise ValueError(f"{{{name}:{form}}} is no number format; write for example {{{name}:.2f}}")
        return text

    @model_validator(mode="after")
    def _length(self) -> Motion:
        if self.mode == "still":
            return self
        if self.frames is not None and self.seconds is not None:
            raise ValueError("frames and seconds are in conflict; give one of them")
        if self.frames is None and self.seconds is None:
            raise ValueError(f"a film of mode {self.mode} needs a length; give seconds or frames")
        if not FRAMES[0] <= self.count <= FRAMES[1]:
            raise ValueError(f"{self.count} frames are out of range {FRAMES[0]}–{FRAMES[1]}")
        for name in ("zoom", "x", "y", "roll"):
            try:
                self.curve(name)
            except ValueError as e:
                raise ValueError(f"{name}: {e}") from None
        return self

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.frames if self.frames is not None else round((self.seconds or 0) * self.fps)

    def curve(self, name: str) -> list[float]:
        """The schedule ``name`` at every frame."""
        return curve(getattr(self, name), self.count, self.fps, log=name == "zoom")

    def phrases(self) -> list[str]:
        """The motion phrase at every frame i, with t = i/(N-1)."""
        n = self.count
        curves = {name: self.curve(name) for name in ("zoom", "x", "y", "roll")}
        values = [{"t": i / (n - 1), "frame": i, **{k: c[i] for k, c in curves.items()}} for i in range(n)]
        return [_FIELD.sub(lambda m, v=v: format(v[m[1]], m[2] or ""), self.phrase) for v in values]
