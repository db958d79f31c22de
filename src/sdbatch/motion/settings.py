"""The ``motion:`` keys of an experiment, for all modes; ``Mode.uses`` lists the keys that a mode supports."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sdbatch.errors import nearest
from sdbatch.motion.checks import check
from sdbatch.motion.fields import FPS, Curve, Rate, Schedule, Seeds, Texts
from sdbatch.motion.key_errors import combined_error, key_error
from sdbatch.motion.keys import CURVES, FIELD, FRAMES, RANGES, VARIABLES, out_of_range, variables
from sdbatch.motion.mode import MODES
from sdbatch.motion.schedule import Clock, Key, curve, points, span
from sdbatch.motion.waves import Wave

_FORMAT = re.compile(r"[0-9]{0,2}|[0-9]{0,2}(\.[0-9]{1,2})?[fg%]")


def _modes(schema: dict[str, Any]) -> None:
    schema["enum"] = list(MODES)


class Motion(BaseModel):
    """How a prompt becomes a video (or stays a picture)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True)

    mode: str = Field(
        "still",
        description="how a prompt becomes a video; still: it stays a picture",
        json_schema_extra=_modes,
    )
    seconds: float | None = Field(None, gt=0, le=3600, description="length of the video (or give frames)")
    frames: int | None = Field(None, ge=FRAMES[0], le=FRAMES[1], description="number of frames (or give seconds)")
    fps: Rate = Field(
        FPS,
        description="frames per second, 1–240; a fraction such as 24000/1001 is exact; null: 24, or a video's own",
    )
    loop: bool | Literal["pingpong"] = Field(
        False,
        description="true: equal ends, repeats without a jump; pingpong: forwards, then backwards (twice the length)",
    )
    phrase: str = Field("", max_length=1000, description="added to the prompt of every frame, e.g. 'zoom {zoom:.2f}'")
    prompts: Texts = Field(
        (), description="[time, text, ease]: added to the prompt, interpolated; in mode zoom [zoom, text, ease]"
    )
    seeds: Seeds = Field((), description="[time, seed, ease]: interpolation between the noise of seeds (mode walk)")
    zoom: Schedule = Field((Key(0, 1.0),), description="magnification over time, > 0, interpolated in log space")
    x: Schedule = Field((Key(0, 0.0),), description="pan to the right, in fractions of the frame")
    y: Schedule = Field((Key(0, 0.0),), description="pan downwards, in fractions of the frame")
    roll: Schedule = Field((Key(0, 0.0),), description="roll in degrees, clockwise")
    weight: Schedule = Field((Key(0, 1.0),), description="{weight} of a phrase such as '(fog:{weight:.2f})'")
    strength: Schedule | None = Field(
        None,
        description="denoising strength of image to image, 0.01–1 (null: set by the mode); in mode zoom [zoom, value]",
    )
    guidance: Schedule | None = Field(
        None, description="replaces sampling.guidance over time, 1–30; in mode zoom [zoom, value]"
    )
    factor: float = Field(2.0, ge=1.2, le=4, description="mode zoom: magnification from one keyframe to the next")
    target: tuple[float, float] = Field(
        (0.0, 0.0), description="mode zoom: the fixed point [x, y], from the centre, ±0.5"
    )
    cadence: int = Field(
        2, ge=1, le=100, description="mode feedback: one shot every n frames; those between are warped"
    )
    colours: Literal["first", "free"] = Field(
        "first", description="mode feedback: match colours to the first shot, or let them drift"
    )
    follow: float = Field(
        0.5,
        ge=0,
        le=1,
        description="mode feedback with init.video: share of its frame in what a shot starts from; 1: the frame alone",
    )

    @field_validator("mode")
    @classmethod
    def _known(cls, mode: str) -> str:
        if mode not in MODES:
            hint = (
                "did you mean 'feedback' or 'zoom'?" if mode.lower() == "2d" else nearest(mode, MODES)
            )  # Deforum's 2D
            raise ValueError(f"unknown mode {mode!r}; allowed: {', '.join(MODES)}" + (f"; {hint}" if hint else ""))
        return mode

    @field_validator(*RANGES)
    @classmethod
    def _in_range(cls, schedule: Curve | None, info: Any) -> Curve | None:
        if isinstance(schedule, Wave):
            ends = (("from", schedule.low), ("to", schedule.high))
            if errors := [key_error(key, text) for key, v in ends if (text := out_of_range(info.field_name, v))]:
                raise combined_error(errors)
        for k in schedule if isinstance(schedule, tuple) else ():
            if text := out_of_range(info.field_name, k.value):
                raise ValueError(text)
        return schedule

    @field_validator("target")
    @classmethod
    def _inside(cls, target: tuple[float, float]) -> tuple[float, float]:
        if any(abs(v) > 0.5 for v in target):
            raise ValueError(f"{list(target)} is outside the picture; the centre is [0, 0], the edges are at ±0.5")
        return target

    @field_validator("phrase")
    @classmethod
    def _template(cls, text: str) -> str:
        for name, form in FIELD.findall(text):
            if name not in VARIABLES:
                raise ValueError(f"unknown variable {{{name}}}; allowed: {', '.join(VARIABLES)}")
            if not _FORMAT.fullmatch(form):
                raise ValueError(f"{{{name}:{form}}} is not a number format; for example write {{{name}:.2f}}")
        return text

    @model_validator(mode="after")
    def _checked(self) -> Motion:
        if self.mode != "still":
            check(self)
        return self

    @property
    def count(self) -> int:
        """Number of frames over which schedules run: in loops one more than asked for, which ``looped`` removes."""
        return self.length + bool(self.loop)

    @property
    def length(self) -> int:
        """Number of frames asked for: those of one repetition, or of one direction of a ping-pong."""
        return self.frames if self.frames is not None else round((self.seconds or 0) * self.fps)

    @property
    def clock(self) -> Clock:
        """The length and frame rate, for resolving times."""
        return Clock(self.count, self.fps, closed=bool(self.loop))

    def keyframes(self, name: str) -> tuple[Key[float], ...]:
        """The keyframes of the schedule ``name``: as written, or the values of a wave or formula at every frame."""
        schedule: Curve | None = getattr(self, name)
        if schedule is None or isinstance(schedule, tuple):
            return schedule or ()
        return schedule.keyframes(self.clock, log=name == "zoom")

    def curve(self, name: str) -> list[float]:
        """The value of the schedule ``name`` at every frame."""
        return curve(self.keyframes(name), self.clock, log=name == "zoom")

    def track(self, name: str) -> list[tuple[Any, Any, float]]:
        """(from, to, share) of ``prompts`` or ``seeds`` at every frame; shares are rounded to 1e-6."""
        placed = points(getattr(self, name), self.clock)
        spans = (span(placed, frame) for frame in range(self.count))
        return [(placed[i][1].value, placed[j][1].value, round(min(max(s, 0.0), 1.0), 6)) for i, j, s in spans]

    def phrases(self) -> list[str]:
        """The motion phrase at every frame; at frame i of N, {t} is i/(N-1)."""
        n = self.count
        curves = {name: self.curve(name) for name in variables(self.phrase) & set(CURVES)}
        values = [{"t": i / (n - 1), "frame": i, **{k: c[i] for k, c in curves.items()}} for i in range(n)]
        return [_formatted(self.phrase, v) for v in values]

    def words(self) -> tuple[str, ...]:
        """Every text that a video adds to its prompt, as written."""
        return tuple(text for text in (self.phrase, *(key.value for key in self.prompts)) if text)

    def phrase_at(self, zoom: float) -> str:
        """The motion phrase at a depth, of a phrase that has no other variable than ``{zoom}``."""
        return _formatted(self.phrase, {"zoom": zoom})


def _formatted(phrase: str, values: dict[str, float]) -> str:
    return FIELD.sub(lambda m: format(values[m[1]], m[2] or ""), phrase)
