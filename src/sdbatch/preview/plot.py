"""Plots the schedules of a video over time: numbers as curves, prompts and seeds as bars. Pure."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from sdbatch.motion import MODES
from sdbatch.motion.deforum import Formula
from sdbatch.motion.keys import CURVES, TRACKS
from sdbatch.motion.levels import at_depth, number_at
from sdbatch.motion.schedule import points
from sdbatch.motion.settings import Motion
from sdbatch.motion.waves import Wave
from sdbatch.spec.jobs import Job

BACKGROUND, INK, GRID, LINE, DOT = "#fbfbf9", "#1c1c1e", "#d9d9d6", "#2456a6", "#b3261e"
SHADES = ("#d8e3f4", "#f4e3d3", "#dcefdc", "#efdcec", "#f2efcf", "#d6eef0")
WIDTH, CURVE, BARS, LEFT, RIGHT, HEAD = 960, 110, 46, 130, 40, 60  # pixels: heights of panels, margins


class Row(NamedTuple):
    """One schedule at every frame.

    ``values`` are numbers, or (from, to, share) of a track. ``dots`` are the frames of the keyframes as written.
    ``by_depth``: the schedule's keyframes are [zoom, value].
    """

    name: str
    values: list[Any]
    dots: list[float]
    by_depth: bool

    @property
    def is_track(self) -> bool:
        return self.name in TRACKS

    @property
    def height(self) -> int:
        return BARS if self.is_track else CURVE


def curves(job: Job) -> Image.Image:
    """A plot, 960 pixels wide, with one panel for each schedule that the mode uses and the user set.

    Raises ValueError if the job is a picture.
    """
    if job.video is None:
        raise ValueError(f"{job.id} is not a video")
    motion: Motion = job.video.motion
    rows = [_row(motion, name) for name in (*CURVES, *TRACKS) if _is_set(motion, name)]
    image = Image.new("RGB", (WIDTH, HEAD + sum(r.height for r in rows) + 44), BACKGROUND)
    pen = ImageDraw.Draw(image)
    title = f"{motion.mode}, {motion.count} frames at {float(motion.fps):.5g} fps:  {job.shot.prompt}"
    font = ImageFont.load_default(18)
    pen.text((LEFT, 30), _shortened(title, WIDTH - LEFT - 10, font), INK, font, "lm")
    top = HEAD
    for row in rows:
        (_bars if row.is_track else _curve)(pen, row, top)
        top += row.height
    _time(pen, motion, top)
    return image


def _is_set(motion: Motion, name: str) -> bool:
    value = getattr(motion, name)
    used = name in MODES[motion.mode].uses
    return bool(used and value and value != type(motion).model_fields[name].default)


def _row(motion: Motion, name: str) -> Row:
    keys, is_track = getattr(motion, name), name in TRACKS
    if isinstance(keys, Wave | Formula):
        return Row(name, motion.curve(name), [], False)
    if name not in MODES[motion.mode].by_depth:
        dots = [frame for frame, _ in points(keys, motion.clock)]
        return Row(name, motion.track(name) if is_track else motion.curve(name), dots, False)
    zoom = motion.curve("zoom")
    return Row(name, [at_depth(keys, z) if is_track else number_at(keys, z) for z in zoom], [], True)


def _x(frame: float, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * frame / max(1, count - 1)


def _name(pen: ImageDraw.ImageDraw, row: Row, middle: float) -> None:
    pen.text((LEFT - 14, middle), row.name, INK, ImageFont.load_default(15), "rm")
    if note := "by depth" if row.by_depth else "log" if row.name == "zoom" else "":
        pen.text((LEFT - 14, middle + 17), note, "gray", ImageFont.load_default(11), "rm")


def _curve(pen: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    axis = math.log if row.name == "zoom" else float  # zoom has a logarithmic axis, as it is interpolated
    low, high = axis(min(row.values)), axis(max(row.values))
    span = (high - low) or 1.0
    font, count = ImageFont.load_default(12), len(row.values)

    def y(value: float) -> float:
        return float(top + CURVE - 22 - (CURVE - 40) * (axis(value) - low) / span)

    for value in dict.fromkeys((min(row.values), max(row.values))):
        pen.line((LEFT, y(value), WIDTH - RIGHT, y(value)), GRID)
        pen.text((WIDTH - RIGHT - 2, y(value) - 8), f"{value:.4g}", "gray", font, "rm")
    pen.line([(_x(i, count), y(v)) for i, v in enumerate(row.values)], LINE, 2, "curve")
    for frame in row.dots:
        x, at = _x(frame, count), y(row.values[round(frame)])
        pen.ellipse((x - 4, at - 4, x + 4, at + 4), DOT)
    _name(pen, row, top + CURVE / 2)


def _bars(pen: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    """One bar per text or seed; during an interpolation the share is drawn as a slope."""
    count, font = len(row.values), ImageFont.load_default(12)
    names = list(dict.fromkeys(v for a, b, _ in row.values for v in (a, b)))
    for i, (start, end, share) in enumerate(row.values):
        left, right = _x(i - 0.5, count), _x(i + 0.5, count) + 1
        split = top + 6 + (BARS - 14) * (1 - share)
        pen.rectangle((left, top + 6, right, split), SHADES[names.index(start) % len(SHADES)])
        if share > 0:
            pen.rectangle((left, split, right, top + BARS - 8), SHADES[names.index(end) % len(SHADES)])
    ends = [_x(i, count) for i, _ in _changes(row)[1:]] + [WIDTH - RIGHT + 4]
    for (i, text), right in zip(_changes(row), ends, strict=True):
        left = _x(i, count) + 4
        pen.text((left, top + BARS / 2 - 1), _shortened(str(text), right - left - 4, font), INK, font, "lm")
    _name(pen, row, top + BARS / 2)


def _changes(row: Row) -> list[tuple[int, Any]]:
    """(frame, text) wherever another text gets the larger share."""
    main = [end if share > 0.5 else start for start, end, share in row.values]
    return [(i, text) for i, text in enumerate(main) if i == 0 or text != main[i - 1]]


def _shortened(text: str, width: float, font: Any) -> str:
    """``text``, shortened with an ellipsis to ``width`` pixels; empty if nothing fits."""
    if font.getlength(text) <= width:
        return text
    fitting = (text[:n].rstrip(" ,") + "…" for n in range(min(len(text), 200), 0, -1))
    return next((t for t in fitting if font.getlength(t) <= width), "")


def _time(pen: ImageDraw.ImageDraw, motion: Motion, top: int) -> None:
    pen.line((LEFT, top + 4, WIDTH - RIGHT, top + 4), INK)
    for n in range(5):
        frame = (motion.count - 1) * n / 4
        x = _x(frame, motion.count)
        pen.line((x, top + 4, x, top + 10), INK)
        text = f"{frame / float(motion.fps):.3g} s"
        pen.text((x, top + 12), text, INK, ImageFont.load_default(12), "ma")
