"""The schedules of a video as a picture: every curve that moves, and the words and seeds, over time. Pure."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from sdbatch.motion import MODES
from sdbatch.motion.levels import at_depth, number_at
from sdbatch.motion.schedule import points
from sdbatch.motion.settings import CURVES, TRACKS, Motion
from sdbatch.spec.jobs import Job

PAPER, INK, FAINT, LINE, DOT = "#fbfbf9", "#1c1c1e", "#d9d9d6", "#2456a6", "#b3261e"
SHADES = ("#d8e3f4", "#f4e3d3", "#dcefdc", "#efdcec", "#f2efcf", "#d6eef0")
WIDTH, HIGH, LOW, LEFT, RIGHT, HEAD = 960, 110, 46, 130, 40, 60


class Row(NamedTuple):
    """One schedule at every frame, and the frames of its keyframes; ``values`` are numbers or (from, to, share)."""

    name: str
    values: list[Any]
    dots: list[float]
    depth: bool

    @property
    def words(self) -> bool:
        return self.name in TRACKS

    @property
    def height(self) -> int:
        return LOW if self.words else HIGH


def curves(job: Job) -> Image.Image:
    """A panel for each schedule that moves."""
    if job.video is None:
        raise ValueError(f"{job.id} is not a video")
    motion: Motion = job.video.motion
    rows = [_row(motion, name) for name in (*CURVES, *TRACKS) if _moves(motion, name)]
    image = Image.new("RGB", (WIDTH, HEAD + sum(r.height for r in rows) + 44), PAPER)
    pen = ImageDraw.Draw(image)
    title = f"{motion.mode}, {motion.count} frames at {float(motion.fps):.5g} fps:  {job.shot.prompt}"
    letters = ImageFont.load_default(18)
    pen.text((LEFT, 30), _cut(title, WIDTH - LEFT - 10, letters), INK, letters, "lm")
    top = HEAD
    for row in rows:
        (_words if row.words else _numbers)(pen, row, top)
        top += row.height
    _time(pen, motion, top)
    return image


def _moves(motion: Motion, name: str) -> bool:
    keys = getattr(motion, name)
    taken = name in MODES[motion.mode].USES
    return bool(taken and keys and (len(keys) > 1 or keys != type(motion).model_fields[name].default))


def _row(motion: Motion, name: str) -> Row:
    keys, words = getattr(motion, name), name in TRACKS
    if name not in getattr(MODES[motion.mode], "DEPTHS", ()):
        dots = [frame for frame, _ in points(keys, motion.clock)]
        return Row(name, motion.track(name) if words else motion.curve(name), dots, False)
    zoom = motion.curve("zoom")
    return Row(name, [at_depth(keys, z) if words else number_at(keys, z) for z in zoom], [], True)


def _x(frame: float, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * frame / max(1, count - 1)


def _name(pen: ImageDraw.ImageDraw, row: Row, middle: float) -> None:
    pen.text((LEFT - 14, middle), row.name, INK, ImageFont.load_default(15), "rm")
    if note := "by depth" if row.depth else "log" if row.name == "zoom" else "":
        pen.text((LEFT - 14, middle + 17), note, "gray", ImageFont.load_default(11), "rm")


def _numbers(pen: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    bend = math.log if row.name == "zoom" else float  # as zoom is interpolated: equal factors are equal steps
    low, high = bend(min(row.values)), bend(max(row.values))
    span = (high - low) or 1.0
    letters, count = ImageFont.load_default(12), len(row.values)

    def y(value: float) -> float:
        return float(top + HIGH - 22 - (HIGH - 40) * (bend(value) - low) / span)

    for value in dict.fromkeys((min(row.values), max(row.values))):
        pen.line((LEFT, y(value), WIDTH - RIGHT, y(value)), FAINT)
        pen.text((WIDTH - RIGHT - 2, y(value) - 8), f"{value:.4g}", "gray", letters, "rm")
    pen.line([(_x(i, count), y(v)) for i, v in enumerate(row.values)], LINE, 2, "curve")
    for frame in row.dots:
        x, at = _x(frame, count), y(row.values[round(frame)])
        pen.ellipse((x - 4, at - 4, x + 4, at + 4), DOT)
    _name(pen, row, top + HIGH / 2)


def _words(pen: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    """Bars from one text to the next; where they blend, the share is drawn as a slope."""
    count, letters = len(row.values), ImageFont.load_default(12)
    names = list(dict.fromkeys(v for a, b, _ in row.values for v in (a, b)))
    for i, (here, there, share) in enumerate(row.values):
        left, right = _x(i - 0.5, count), _x(i + 0.5, count) + 1
        split = top + 6 + (LOW - 14) * (1 - share)
        pen.rectangle((left, top + 6, right, split), SHADES[names.index(here) % len(SHADES)])
        if share > 0:
            pen.rectangle((left, split, right, top + LOW - 8), SHADES[names.index(there) % len(SHADES)])
    ends = [_x(i, count) for i, _ in _changes(row)[1:]] + [WIDTH - RIGHT + 4]
    for (i, text), end in zip(_changes(row), ends, strict=True):
        left = _x(i, count) + 4
        pen.text((left, top + LOW / 2 - 1), _cut(str(text), end - left - 4, letters), INK, letters, "lm")
    _name(pen, row, top + LOW / 2)


def _changes(row: Row) -> list[tuple[int, Any]]:
    """From which frame on it is more this text than another."""
    main = [there if share > 0.5 else here for here, there, share in row.values]
    return [(i, text) for i, text in enumerate(main) if i == 0 or text != main[i - 1]]


def _cut(text: str, room: float, letters: Any) -> str:
    """As much of a text as there is room for."""
    if letters.getlength(text) <= room:
        return text
    fitting = (text[:n].rstrip(" ,") + "…" for n in range(min(len(text), 200), 0, -1))
    return next((t for t in fitting if letters.getlength(t) <= room), "")


def _time(pen: ImageDraw.ImageDraw, motion: Motion, top: int) -> None:
    pen.line((LEFT, top + 4, WIDTH - RIGHT, top + 4), INK)
    for n in range(5):
        frame = (motion.count - 1) * n / 4
        x = _x(frame, motion.count)
        pen.line((x, top + 4, x, top + 10), INK)
        text = f"{frame / float(motion.fps):.3g} s"
        pen.text((x, top + 12), text, INK, ImageFont.load_default(12), "ma")
