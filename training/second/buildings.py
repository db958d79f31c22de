"""Subjects that were built: each with its foot at the origin and about one unit high."""

# ruff: noqa: PLR0917
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.second.pen import INK, Colour, Pen, light, mix, scale, shade
from training.second.texture import (
    CREAM,
    GLOW,
    WOOD,
    box,
    bricks,
    door,
    inside,
    patch,
    planks,
    tiles,
    wall,
    window,
)


@dataclass(frozen=True)
class Look:
    """How a subject is to look: its colour, whether lamps are on, and what chance decides (0 to 1)."""

    ink: Colour
    lit: bool
    turn: float


def _turret(pen: Pen, x: float, half: float, h: float, roof: float, look: Look) -> None:
    body = box(x - half, 0, x + half, h)
    wall(pen, body, (240, 234, 238))
    bricks(pen, body, half * 0.26, (240, 234, 238))
    d = -pen.light
    pen.poly([(x - half * 1.38, h), (x + half * 1.38, h), (x, h + roof)], look.ink, line=True)
    pen.poly([(x + d * half * 1.38, h), (x + d * half * 0.3, h), (x, h + roof)], shade(look.ink))
    tiles(
        pen,
        ((x - half * 1.3, h), (x + half * 1.3, h), (x + 0.004, h + roof * 0.96), (x - 0.004, h + roof * 0.96)),
        7,
        look.ink,
    )
    window(pen, x, h * 0.70, half * 0.62, half * 0.95, look.lit)
    pen.line([(x, h + roof), (x, h + roof + 0.07)], 0.009, INK)
    pen.poly([(x, h + roof + 0.07), (x + d * 0.09, h + roof + 0.045), (x, h + roof + 0.02)], light(look.ink))


def castle(pen: Pen, look: Look) -> None:
    """A fairy-tale castle: white walls with battlements, three turrets with tall roofs."""
    _turret(pen, 0.0, 0.145, 0.56, 0.36, look)
    base = box(-0.42, 0, 0.42, 0.27)
    wall(pen, base, (230, 224, 232))
    bricks(pen, base, 0.042, (230, 224, 232))
    for x in np.linspace(-0.40, 0.40, 9):
        pen.rect(x - 0.027, 0.26, x + 0.027, 0.305, (230, 224, 232), line=True)
    for x in (-0.36, 0.36):
        _turret(pen, x, 0.105, 0.40, 0.32, look)
    for x in (-0.2, 0.2):
        window(pen, x, 0.11, 0.06, 0.09, look.lit)
    door(pen, 0, 0.17, 0.20, scale(WOOD, 0.85), arch=True)


def lighthouse(pen: Pen, look: Look) -> None:
    """A tapered tower in bands, a gallery with a railing, the lamp room; when dark with a beam."""
    if look.lit:
        for spread, alpha in ((0.24, 36), (0.14, 44), (0.06, 60)):
            pen.disc(0, 0.855, 0.12 + 0.3 * spread, 0.12 + 0.3 * spread, (255, 236, 160), alpha, glow=True)
            far = -pen.light * 1.9
            pen.poly([(0, 0.87), (far, 0.93 + spread), (far, 0.93 - spread)], (255, 240, 180), alpha, glow=True)
    white: Colour = (206, 210, 224) if look.ink[1] > 230 else (252, 250, 246)
    for i in range(5):
        a, b = 0.215 - 0.0176 * i, 0.215 - 0.0176 * (i + 1)
        band = ((-a, i * 0.152), (a, i * 0.152), (b, (i + 1) * 0.152), (-b, (i + 1) * 0.152))
        colour = look.ink if i % 2 == 0 else white
        wall(pen, band, colour)
        bricks(pen, band, 0.046, colour)
    for y in (0.42, 0.62):
        window(pen, 0, y, 0.062, 0.085, look.lit)
    door(pen, 0, 0.11, 0.165, arch=True)
    pen.poly([(-0.19, 0.79), (0.19, 0.79), (0.15, 0.755), (-0.15, 0.755)], (70, 66, 86), line=True)
    pen.rect(-0.085, 0.79, 0.085, 0.915, GLOW if look.lit else (188, 226, 244), glow=look.lit, line=True)
    pen.disc(0, 0.85, 0.035, 0.045, (255, 252, 230) if look.lit else (250, 240, 200), glow=look.lit)
    for x in np.linspace(-0.18, 0.18, 9):
        pen.line([(x, 0.79), (x, 0.85)], 0.007, (70, 66, 86), max(90, pen.fade(0.007, 0.8)))
    pen.line([(-0.185, 0.85), (0.185, 0.85)], 0.010, (70, 66, 86))
    for x in (-0.045, 0.045):
        pen.line([(x, 0.79), (x, 0.91)], 0.006, (70, 66, 86))
    t = np.linspace(0, np.pi, 12)
    pen.poly([(0.125 * float(np.cos(a)), 0.91 + 0.09 * float(np.sin(a))) for a in t], scale(look.ink, 0.9), line=True)
    pen.line([(0, 1.0), (0, 1.06)], 0.012, INK)


def house(pen: Pen, look: Look) -> None:
    """A cottage: plaster with beams, a big tiled roof, a chimney with smoke, a lamp at the door."""
    body = box(-0.43, 0, 0.43, 0.47)
    wall(pen, body, CREAM)
    bricks(pen, box(-0.43, 0.0, 0.43, 0.09), 0.05, (196, 176, 160))
    for x in (-0.41, -0.13, 0.13, 0.41):
        pen.rect(x - 0.014, 0, x + 0.014, 0.47, WOOD)
    pen.rect(-0.43, 0.43, 0.43, 0.46, WOOD)
    chimney = box(-0.30, 0.62, -0.19, 1.0)
    pen.poly(chimney, (190, 104, 88), line=True)
    bricks(pen, chimney, 0.03, (190, 104, 88))
    pen.rect(-0.32, 0.98, -0.17, 1.02, (150, 80, 74), line=True)
    for k, r in enumerate((0.035, 0.05, 0.07)):
        pen.disc(-0.24 + 0.05 * k * pen.light, 1.08 + 0.09 * k, r, r * 0.8, (246, 246, 250), 130 - 30 * k)
    roof = ((-0.57, 0.43), (0.57, 0.43), (0.32, 0.92), (-0.32, 0.92))
    pen.poly(roof, look.ink, line=True)
    pen.poly(patch(roof, 0.74, 0, 1, 1) if pen.light < 0 else patch(roof, 0, 0, 0.26, 1), shade(look.ink))
    tiles(pen, roof, 9, look.ink)
    pen.rect(-0.34, 0.90, 0.34, 0.945, scale(look.ink, 0.8), line=True)
    door(pen, 0, 0.17, 0.31, scale(WOOD, 0.9))
    window(pen, 0, 0.22, 0.07, 0.055, look.lit)
    for x in (-0.27, 0.27):
        window(pen, x, 0.15, 0.19, 0.20, look.lit)
        for k in range(5):
            pen.disc(x - 0.08 + 0.04 * k, 0.125, 0.022, 0.020, ((246, 90, 110), (252, 200, 80))[k % 2])
    pen.disc(0.105, 0.335, 0.022, 0.03, GLOW if look.lit else (230, 220, 200), glow=look.lit, line=True)


def windmill(pen: Pen, look: Look) -> None:
    """A tapered tower in colour, a wooden cap, four latticed blades."""
    tower = ((-0.25, 0.0), (0.25, 0.0), (0.155, 0.60), (-0.155, 0.60))
    wall(pen, tower, look.ink)
    bricks(pen, tower, 0.055, look.ink)
    pen.poly([(-0.19, 0.58), (0.19, 0.58), (0.15, 0.70), (0.0, 0.78), (-0.15, 0.70)], (142, 98, 78), line=True)
    planks(pen, box(-0.16, 0.59, 0.16, 0.70), 4, (142, 98, 78))
    door(pen, 0, 0.12, 0.19, arch=True)
    window(pen, 0, 0.33, 0.10, 0.12, look.lit)
    cloth: Colour = (250, 242, 222) if look.ink[1] < 230 else (196, 160, 136)
    for k in range(4):
        _blade(pen, 0.45 + 0.65 * look.turn + k * np.pi / 2, cloth)
    pen.disc(0, 0.66, 0.045, 0.045, INK)
    pen.disc(0, 0.66, 0.02, 0.02, (210, 190, 160))


def _blade(pen: Pen, angle: float, cloth: Colour) -> None:
    c, s = float(np.cos(angle)), float(np.sin(angle))

    def at(along: float, across: float) -> tuple[float, float]:
        return along * c - across * s, 0.66 + along * s + across * c

    sail = (at(0.10, 0.012), at(0.44, 0.012), at(0.44, 0.125), at(0.10, 0.105))
    pen.poly(sail, cloth, line=True)
    pen.line([at(0.0, 0), at(0.46, 0)], 0.026, WOOD)
    for k in range(1, 8):
        pen.line([inside(sail, k / 8, 0), inside(sail, k / 8, 1)], 0.007, mix(WOOD, cloth, 0.3), pen.fade(0.010))
    for v in (0.33, 0.66):
        pen.line([inside(sail, 0, v), inside(sail, 1, v)], 0.007, mix(WOOD, cloth, 0.3), pen.fade(0.010))


DRAW = {"castle": castle, "lighthouse": lighthouse, "house": house, "windmill": windmill}
