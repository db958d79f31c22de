"""The subjects of the scenes, each drawn with the foot at the origin and about one unit high."""

# ruff: noqa: PLR0917
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.pen import Colour, Pen, mix, scale

INKS: dict[str, Colour] = {
    "red": (222, 44, 42),
    "blue": (40, 96, 222),
    "green": (40, 164, 84),
    "yellow": (250, 204, 48),
    "purple": (146, 72, 200),
    "white": (248, 246, 242),
}
CREAM: Colour = (246, 232, 208)
STONE: Colour = (196, 194, 204)
WOOD: Colour = (108, 68, 50)
INK: Colour = (46, 42, 60)
GLOW: Colour = (255, 226, 128)


def _shade(colour: Colour) -> Colour:
    return mix(scale(colour, 0.70), (70, 60, 130), 0.12)


def _window(pen: Pen, x: float, y: float, w: float, h: float, lit: bool) -> None:
    pen.rect(x - w / 2, y, x + w / 2, y + h, GLOW if lit else (84, 108, 150), glow=lit)


def torii(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A shrine gate: two posts, a straight beam, a curved one with a dark cap."""
    dark = _shade(ink)
    for side in (-1, 1):
        pen.poly([(side * 0.40, 0), (side * 0.28, 0), (side * 0.26, 0.86), (side * 0.35, 0.86)], ink)
        edge = side * 0.40 if side != pen.light else side * 0.28
        top = side * 0.35 if side != pen.light else side * 0.26
        inner = edge + (0.045 if edge < 0 else -0.045) * (1 if side != pen.light else -1)
        pen.poly([(edge, 0), (inner, 0), (top + (inner - edge), 0.86), (top, 0.86)], dark)
        pen.rect(side * 0.42, 0, side * 0.26, 0.07, scale(INK, 1.2))
    pen.rect(-0.46, 0.60, 0.46, 0.69, ink)
    pen.rect(-0.46, 0.60, 0.46, 0.62, dark)
    pen.rect(-0.05, 0.69, 0.05, 0.82, dark)
    pen.poly(
        [
            (-0.58, 0.95),
            (-0.30, 0.90),
            (0.30, 0.90),
            (0.58, 0.95),
            (0.53, 0.83),
            (0.3, 0.80),
            (-0.3, 0.80),
            (-0.53, 0.83),
        ],
        ink,
    )
    pen.poly(
        [
            (-0.62, 1.03),
            (-0.30, 0.96),
            (0.30, 0.96),
            (0.62, 1.03),
            (0.58, 0.94),
            (0.3, 0.90),
            (-0.3, 0.90),
            (-0.58, 0.94),
        ],
        INK,
    )


def _tower(pen: Pen, x: float, w: float, h: float, roof: float, ink: Colour, lit: bool) -> None:
    d = -pen.light
    pen.rect(x - w / 2, 0, x + w / 2, h, (232, 228, 232))
    pen.rect(x + d * w / 2, 0, x + d * w * 0.12, h, (186, 184, 206))
    pen.poly([(x - w * 0.68, h), (x + w * 0.68, h), (x, h + roof)], ink)
    pen.poly([(x + d * w * 0.68, h), (x + d * w * 0.1, h), (x, h + roof)], _shade(ink))
    _window(pen, x, h * 0.68, w * 0.26, w * 0.42, lit)


def castle(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A fairy-tale castle: white walls and tall coloured roofs."""
    _tower(pen, 0.0, 0.30, 0.58, 0.42, ink, lit)
    _tower(pen, -0.36, 0.22, 0.40, 0.36, ink, lit)
    _tower(pen, 0.36, 0.22, 0.40, 0.36, ink, lit)
    pen.rect(-0.40, 0, 0.40, 0.26, (226, 222, 230))
    pen.poly([(-0.42, 0.26), (0.42, 0.26), (0.36, 0.33), (-0.36, 0.33)], ink)
    pen.rect(-0.09, 0, 0.09, 0.12, scale(WOOD, 0.8))
    pen.disc(0, 0.12, 0.09, 0.07, scale(WOOD, 0.8))


def lighthouse(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A tapered tower with bands, a lamp room and a cap; at night with a beam."""
    if lit:
        for spread, alpha in ((0.20, 50), (0.10, 60)):
            pen.poly(
                [(0, 0.86), (-pen.light * 1.5, 0.92 + spread), (-pen.light * 1.5, 0.92 - spread)],
                (255, 240, 180),
                alpha,
                glow=True,
            )
    d = -pen.light

    def half(y: float) -> float:
        return 0.235 - 0.10 * y / 0.76

    for i in range(5):
        y0, y1 = i * 0.152, (i + 1) * 0.152
        colour = ink if i % 2 == 0 else (248, 246, 242)
        if ink[1] > 230 and i % 2:
            colour = (206, 208, 220)
        a, b = half(y0), half(y1)
        pen.poly([(-a, y0), (a, y0), (b, y1), (-b, y1)], colour)
        pen.poly([(d * a, y0), (d * a * 0.3, y0), (d * b * 0.3, y1), (d * b, y1)], _shade(colour))
    pen.rect(-0.17, 0.76, 0.17, 0.795, INK)
    pen.rect(-0.085, 0.795, 0.085, 0.90, GLOW if lit else (180, 220, 240), glow=lit)
    pen.poly([(-0.13, 0.90), (0.13, 0.90), (0, 1.02)], scale(ink, 0.85))
    if lit:
        pen.disc(0, 0.85, 0.16, 0.12, (255, 236, 160), 80, glow=True)


def house(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A house with a big coloured gable roof, a door and two windows."""
    d = -pen.light
    pen.rect(-0.42, 0, 0.42, 0.48, CREAM)
    pen.rect(d * 0.42, 0, d * 0.16, 0.48, _shade(CREAM))
    pen.rect(-0.32, 0.70, -0.20, 1.0, (170, 110, 96))
    pen.poly([(-0.56, 0.44), (0.56, 0.44), (0.30, 0.94), (-0.30, 0.94)], ink)
    pen.poly([(d * 0.56, 0.44), (d * 0.20, 0.44), (d * 0.12, 0.94), (d * 0.30, 0.94)], _shade(ink))
    pen.rect(-0.09, 0, 0.09, 0.30, WOOD)
    for x in (-0.27, 0.27):
        _window(pen, x, 0.14, 0.16, 0.20, lit)


def balloon(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A hot-air balloon with a lighter stripe and a basket."""
    pale = mix(ink, (255, 255, 255), 0.62) if ink[1] < 230 else (206, 210, 226)
    d = -pen.light
    pen.poly([(-0.36, 0.50), (0.36, 0.50), (0.08, 0.17), (-0.08, 0.17)], ink)
    pen.disc(0, 0.62, 0.39, 0.38, ink)
    pen.poly(
        [
            (d * 0.10, 0.2),
            (d * 0.08, 0.17),
            (d * 0.345, 0.48),
            (d * 0.39, 0.62),
            (d * 0.33, 0.82),
            (d * 0.16, 0.965),
            (d * 0.26, 0.62),
        ],
        _shade(ink),
    )
    pen.disc(-d * 0.02, 0.62, 0.13, 0.38, pale)
    pen.poly([(-0.13, 0.56), (0.10, 0.56), (0.03, 0.17), (-0.03, 0.17)], pale)
    pen.rect(-0.07, 0.0, 0.07, 0.11, WOOD)
    for x in (-0.055, 0.055):
        pen.line([(x, 0.10), (x * 1.2, 0.18)], 0.018, WOOD)
    if lit:
        pen.disc(0, 0.24, 0.10, 0.10, GLOW, 120, glow=True)


def boat(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A sailing boat: a dark hull and two coloured sails."""
    d = -pen.light
    pen.rect(-0.018, 0.16, 0.018, 1.0, WOOD)
    pen.poly([(d * 0.04, 0.24), (d * 0.44, 0.24), (d * 0.04, 0.97)], ink)
    pen.poly([(d * 0.04, 0.24), (d * 0.16, 0.24), (d * 0.04, 0.97)], _shade(ink))
    pen.poly([(-d * 0.04, 0.27), (-d * 0.38, 0.27), (-d * 0.04, 0.84)], mix(ink, (255, 255, 255), 0.18))
    pen.poly([(-0.46, 0.20), (0.48, 0.20), (0.34, 0.0), (-0.34, 0.0)], (124, 74, 52))
    pen.poly([(-0.46, 0.20), (0.48, 0.20), (0.45, 0.155), (-0.43, 0.155)], CREAM)


def pagoda(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A tower with four curved roofs of falling width."""
    y, d = 0.05, -pen.light
    pen.rect(-0.36, 0, 0.36, 0.05, STONE)
    for i in range(4):
        w = 0.25 - 0.04 * i
        pen.rect(-w, y, w, y + 0.12, CREAM)
        pen.rect(d * w, y, d * w * 0.3, y + 0.12, _shade(CREAM))
        _window(pen, 0, y + 0.02, w * 0.5, 0.09, lit)
        r = w + 0.19
        pen.poly(
            [
                (-r, y + 0.10),
                (r, y + 0.10),
                (r * 0.98, y + 0.14),
                (w * 0.8, y + 0.215),
                (-w * 0.8, y + 0.215),
                (-r * 0.98, y + 0.14),
            ],
            ink,
        )
        pen.poly(
            [
                (d * r, y + 0.10),
                (d * r * 0.3, y + 0.10),
                (d * w * 0.4, y + 0.215),
                (d * w * 0.8, y + 0.215),
                (d * r * 0.98, y + 0.14),
            ],
            _shade(ink),
        )
        y += 0.205
    pen.rect(-0.016, y, 0.016, y + 0.16, INK)


def windmill(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A tapered tower in colour with a cap and four broad blades."""
    d = -pen.light
    pen.poly([(-0.25, 0), (0.25, 0), (0.155, 0.62), (-0.155, 0.62)], ink)
    pen.poly([(d * 0.25, 0), (d * 0.08, 0), (d * 0.05, 0.62), (d * 0.155, 0.62)], _shade(ink))
    pen.disc(0, 0.62, 0.17, 0.12, (116, 84, 76))
    pen.rect(-0.06, 0, 0.06, 0.17, WOOD)
    _window(pen, 0, 0.30, 0.10, 0.12, lit)
    blade = (240, 232, 214) if ink[1] < 230 else (176, 140, 120)
    turn = float(rng.uniform(0.45, 1.1))
    for k in range(4):
        a = turn + k * np.pi / 2
        c, s = float(np.cos(a)), float(np.sin(a))
        cx, cy = 0.0, 0.64
        pen.line([(cx, cy), (cx + 0.42 * c, cy + 0.42 * s)], 0.035, WOOD)
        pen.poly(
            [
                (cx + 0.10 * c, cy + 0.10 * s),
                (cx + 0.44 * c, cy + 0.44 * s),
                (cx + 0.44 * c - 0.13 * s, cy + 0.44 * s + 0.13 * c),
                (cx + 0.10 * c - 0.13 * s, cy + 0.10 * s + 0.13 * c),
            ],
            blade,
        )
    pen.disc(0, 0.64, 0.05, 0.05, INK)


def cherry(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A cherry tree in bloom: a dark forked stem under a pink crown of round clusters."""
    bark = (84, 56, 62)
    pen.poly([(-0.10, 0), (0.10, 0), (0.045, 0.45), (-0.045, 0.45)], bark)
    pen.line([(0, 0.28), (-0.24, 0.55)], 0.055, bark)
    pen.line([(0, 0.32), (0.24, 0.58)], 0.055, bark)
    spots = [
        (-0.34, 0.56),
        (0.34, 0.57),
        (-0.17, 0.72),
        (0.18, 0.73),
        (0.0, 0.84),
        (-0.36, 0.68),
        (0.36, 0.69),
        (0, 0.60),
    ]
    jitter = rng.uniform(-0.03, 0.03, (len(spots), 2))
    for colour, grow, dx, dy in (
        ((206, 96, 150), 1.0, 0.0, -0.03),
        ((250, 158, 196), 0.90, 0.012, 0.012),
        ((255, 206, 226), 0.46, 0.055, 0.055),
    ):
        for (x, y), (jx, jy) in zip(spots, jitter, strict=True):
            pen.disc(x + jx + pen.light * dx, y + jy + dy, 0.185 * grow, 0.155 * grow, colour)


def pine(pen: Pen, ink: Colour, rng: np.random.Generator, lit: bool) -> None:
    """A pine tree: four skirts of needles, lit from one side."""
    d = -pen.light
    pen.rect(-0.055, 0, 0.055, 0.16, (92, 62, 48))
    green = (44, 132, 84)
    for i, (y, w, h) in enumerate(((0.12, 0.40, 0.36), (0.32, 0.33, 0.34), (0.52, 0.25, 0.30), (0.70, 0.17, 0.30))):
        colour = scale(green, 0.9 + 0.09 * i)
        pen.poly([(-w, y), (w, y), (0, y + h)], colour)
        pen.poly([(d * w, y), (d * w * 0.05, y), (0, y + h)], _shade(colour))


DRAW: dict[str, Callable[[Pen, Colour, np.random.Generator, bool], None]] = {
    "torii": torii,
    "castle": castle,
    "lighthouse": lighthouse,
    "house": house,
    "balloon": balloon,
    "boat": boat,
    "pagoda": pagoda,
    "windmill": windmill,
    "cherry": cherry,
    "pine": pine,
}
