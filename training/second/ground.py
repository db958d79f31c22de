"""The ground from the horizon to the camera, the water, and what a subject stands on."""

from __future__ import annotations

import numpy as np

from training.second.pen import Colour, Pen, light, mix, scale, shade, smooth
from training.second.sky import World

BOTTOM = -1.0
# Colours of the ground at the horizon and near the camera, and of what grows or lies there.
GROUNDS: dict[str, tuple[Colour, Colour, Colour]] = {
    "mountains": ((150, 206, 104), (52, 132, 72), (252, 236, 120)),
    "city": ((150, 190, 122), (72, 132, 86), (250, 250, 250)),
    "forest": ((126, 184, 84), (38, 104, 58), (246, 214, 236)),
    "desert": ((250, 212, 132), (222, 158, 88), (190, 140, 92)),
    "snow": ((250, 252, 255), (196, 214, 246), (226, 236, 255)),
}
ISLAND: tuple[Colour, Colour] = ((122, 190, 96), (148, 120, 100))


def draw_ground(w: World, backdrop: str) -> None:
    """Water, or land with bands of light, a path, tufts and flowers."""
    if backdrop == "sea":
        draw_water(w)
        return
    top, low, bits = GROUNDS[backdrop]
    w.pen.wash(-2, -0.42, 2, 0.0, w.far(top, 0.14), low)
    w.pen.rect(-2, BOTTOM, 2, -0.42, low)
    rng = w.chance(70)
    for k in range(5):
        y = -0.03 - 0.36 * (k / 5) ** 1.3
        x, half = float(rng.uniform(-0.8, 0.8)), float(rng.uniform(0.3, 0.7))
        tone = light(mix(top, low, k / 5)) if k % 2 else shade(mix(top, low, (k + 1) / 6))
        w.pen.disc(x, y, half, 0.012 + 0.022 * k / 5, tone, 90)
    if backdrop != "snow":
        _path(w, mix(top, (250, 226, 176), 0.65), low)
    _tufts(w, backdrop, low, bits)


def _path(w: World, sand: Colour, low: Colour) -> None:
    """A path that winds from the horizon to the camera."""
    rng = w.chance(75)
    y = np.linspace(0.0, 0.9, 13) ** 1.25
    lean, swing, phase = float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.1, 0.3)), float(rng.uniform(0, 6))
    x = lean * (0.1 + y) + swing * np.sin(4 * y + phase) * (y + 0.04)
    half = 0.002 + 0.16 * y
    left, right = list(zip(x - half, -y, strict=True)), list(zip(x + half, -y, strict=True))
    w.pen.poly(smooth([*left, *right[::-1]]), mix(sand, low, 0.25), 210)
    inner = [*zip(x - 0.72 * half, -y, strict=True), *zip((x + 0.8 * half)[::-1], -y[::-1], strict=True)]
    w.pen.poly(smooth(inner), sand, 120)


def _tufts(w: World, backdrop: str, low: Colour, bits: Colour) -> None:
    rng = w.chance(71)
    for y in -0.02 - 0.80 * np.sort(rng.random(130)) ** 1.5:
        x, size, kind = float(rng.uniform(-1.0, 1.0)), 0.006 + 0.085 * min(0.5, float(-y)), float(rng.random())
        if not w.pen.sees(x - size, y - size, x + size, y + size) or w.pen.pixels(size) < 1.6:
            continue
        near = w.pen.inside(x, float(y), size)
        if backdrop in ("desert", "snow"):
            _stone(near, bits)
        elif kind < 0.62:
            _grass(near, scale(low, 0.82 if kind < 0.3 else 1.16))
        else:
            _flower(near, bits, low)


def _grass(pen: Pen, colour: Colour) -> None:
    for lean in (-0.5, -0.18, 0.15, 0.45):
        pen.poly([(lean * 0.5 - 0.06, 0), (lean * 0.5 + 0.06, 0), (lean, 0.75 - 0.5 * abs(lean))], colour)


def _flower(pen: Pen, colour: Colour, low: Colour) -> None:
    pen.line([(0, 0), (0.03, 0.34)], 0.06, scale(low, 0.8))
    if pen.pixels(1.0) < 9:
        pen.disc(0.03, 0.42, 0.17, 0.15, colour)
        return
    for angle in np.arange(5) * 2 * np.pi / 5 + 0.3:
        pen.disc(0.03 + 0.14 * np.cos(angle), 0.42 + 0.14 * np.sin(angle), 0.11, 0.11, colour, line=True)
    pen.disc(0.03, 0.42, 0.08, 0.08, (250, 190, 60))
    pen.poly([(0, 0.05), (0.2, 0.2), (0.05, 0.15)], scale(low, 0.9))


def _stone(pen: Pen, colour: Colour) -> None:
    pen.blob([(-0.4, 0), (-0.3, 0.2), (0.05, 0.3), (0.35, 0.15), (0.42, 0)], colour)
    pen.blob([(-0.25, 0.12), (0.0, 0.26), (0.25, 0.14), (0, 0.12)], light(colour))


def draw_water(w: World) -> None:
    """Water to the camera, with crests that grow as they come near."""
    near, deep = w.mood.water
    w.pen.wash(-2, -0.40, 2, 0.0, near, deep, glow=True)
    w.pen.rect(-2, BOTTOM, 2, -0.40, deep, glow=True)
    crests(w, 46, 72)


def crests(w: World, count: int, tag: int) -> None:
    """Long lights on the water."""
    rng, (near, deep) = w.chance(tag), w.mood.water
    for y in -0.012 - 0.75 * np.sort(rng.random(count)) ** 1.8:
        x, length = float(rng.uniform(-1, 1)), (0.02 + 0.22 * float(-y)) * float(rng.uniform(0.5, 1.2))
        high = 0.0018 + 0.012 * float(-y)
        tone = mix(near, (255, 255, 255), 0.45) if rng.random() < 0.6 else mix(deep, near, 0.2)
        w.pen.disc(x, float(y), length, high, tone, 150, glow=True)


def glitter(w: World, x: float) -> None:
    """The sun's or the moon's path on the water."""
    rng = w.chance(73)
    for y in -0.01 - 0.36 * rng.random(40) ** 1.2:
        at = x + float(rng.normal()) * (0.02 + 0.14 * float(-y))
        w.pen.disc(at, float(y), 0.012 + 0.06 * float(-y), 0.002 + 0.008 * float(-y), w.mood.sun, 170, glow=True)


def footing(w: World, pen: Pen, subject: str, backdrop: str, half: float) -> None:
    """What the subject stands on: an island in the sea, a pond under boat and bridge, otherwise its shadow."""
    wet = backdrop == "sea"
    near, deep = w.mood.water
    if subject in ("boat", "bridge", "whale") or (wet and subject == "torii"):
        if not wet and subject != "whale":
            rim = GROUNDS[backdrop][1]
            pen.disc(0, -0.05, half + 0.42, 0.19, scale(rim, 0.86))
            pen.disc(0, -0.065, half + 0.38, 0.165, mix(near, deep, 0.25), glow=True)
            pen.disc(0, -0.10, half + 0.2, 0.10, mix(near, deep, 0.55), glow=True)
        return
    if wet:
        grass, rock = ISLAND
        pen.blob([(-half - 0.3, -0.07), (-half, -0.15), (half, -0.16), (half + 0.3, -0.07), (0, 0.0)], rock, line=True)
        pen.disc(0, -0.03, half + 0.24, 0.075, grass)
        pen.disc(0.05 * pen.light, -0.015, half + 0.1, 0.045, light(grass), 150)
        pen.disc(0, -0.165, half + 0.34, 0.022, (255, 255, 255), 150)
    pen.disc(-pen.light * 0.16, -0.015, half + 0.06, 0.05, (30, 30, 70), 80)
