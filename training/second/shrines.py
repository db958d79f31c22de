"""Subjects of gardens and shrines: each with its foot at the origin and about one unit high."""

from __future__ import annotations

import numpy as np

from training.second.buildings import Look
from training.second.pen import INK, Colour, Pen, light, mix, scale, shade, smooth
from training.second.texture import (
    CREAM,
    STONE,
    WOOD,
    box,
    bricks,
    patch,
    planks,
    tiles,
    wall,
    window,
)


def torii(pen: Pen, look: Look) -> None:
    """A shrine gate: posts on stone feet, a tie beam with a plaque, a curved lintel, a straw rope with paper."""
    ink, dark = look.ink, shade(look.ink)
    for side in (-1, 1):
        post = ((side * 0.40, 0.0), (side * 0.30, 0.0), (side * 0.275, 0.86), (side * 0.345, 0.86))
        pen.poly(post, ink, line=True)
        pen.poly(patch(post, 0.62, 0, 1, 1) if side == pen.light else patch(post, 0, 0, 0.38, 1), dark)
        planks(pen, post, 3, ink, upright=True)
        pen.rect(side * 0.43, 0, side * 0.27, 0.07, (88, 84, 100), line=True)
    pen.rect(-0.47, 0.615, 0.47, 0.695, ink, line=True)
    pen.rect(-0.47, 0.615, 0.47, 0.635, dark)
    for x in (-0.24, 0.24):
        pen.rect(x - 0.02, 0.59, x + 0.02, 0.72, dark)
    pen.rect(-0.055, 0.68, 0.055, 0.82, scale(WOOD, 0.8), line=True)
    pen.rect(-0.042, 0.70, 0.042, 0.805, (250, 214, 110))
    for y in (0.725, 0.75, 0.78):
        pen.line([(-0.025, y), (0.025, y + 0.006)], 0.007, INK, pen.fade(0.008))
    lintel = [
        (-0.58, 0.95),
        (-0.3, 0.90),
        (0.3, 0.90),
        (0.58, 0.95),
        (0.53, 0.83),
        (0.3, 0.80),
        (-0.3, 0.80),
        (-0.53, 0.83),
    ]
    pen.poly(lintel, ink, line=True)
    pen.poly(
        [
            (-0.5, 0.845),
            (-0.3, 0.815),
            (0.3, 0.815),
            (0.5, 0.845),
            (0.53, 0.83),
            (0.3, 0.80),
            (-0.3, 0.80),
            (-0.53, 0.83),
        ],
        dark,
    )
    cap = [
        (-0.63, 1.04),
        (-0.3, 0.965),
        (0.3, 0.965),
        (0.63, 1.04),
        (0.59, 0.945),
        (0.3, 0.90),
        (-0.3, 0.90),
        (-0.59, 0.945),
    ]
    pen.poly(cap, (62, 54, 76), line=True)
    pen.line([(-0.6, 1.02), (-0.3, 0.955), (0.3, 0.955), (0.6, 1.02)], 0.012, (120, 112, 142))
    _rope(pen)


def _rope(pen: Pen) -> None:
    sag = smooth([(-0.29, 0.63), (-0.15, 0.585), (0, 0.57), (0.15, 0.585), (0.29, 0.63)], closed=False)
    pen.line(sag, 0.026, (232, 206, 140))
    alpha = pen.fade(0.012)
    for x, y in sag[1::2]:
        pen.line([(x - 0.008, y - 0.012), (x + 0.008, y + 0.012)], 0.005, (170, 136, 84), alpha)
    for x in (-0.16, 0.0, 0.16):
        y = 0.565 + 0.8 * x * x
        zig = [
            (x - 0.014, y),
            (x + 0.014, y),
            (x + 0.02, y - 0.04),
            (x + 0.03, y - 0.04),
            (x + 0.014, y - 0.085),
            (x - 0.014, y - 0.05),
        ]
        pen.poly(zig, (255, 255, 252))


def pagoda(pen: Pen, look: Look) -> None:
    """A tower of four storeys with curved, tiled roofs, railings and bells."""
    wall(pen, box(-0.36, 0, 0.36, 0.05), STONE)
    bricks(pen, box(-0.36, 0, 0.36, 0.05), 0.05, STONE)
    y = 0.05
    for i in range(4):
        half, r = 0.25 - 0.04 * i, 0.44 - 0.04 * i
        storey = box(-half, y, half, y + 0.12)
        wall(pen, storey, CREAM)
        window(pen, 0, y + 0.025, half * 0.6, 0.085, look.lit)
        for x in (-0.98, -0.5, 0.5, 0.98):
            pen.rect(x * half - 0.009, y, x * half + 0.009, y + 0.12, WOOD)
        for x in np.linspace(-half - 0.03, half + 0.03, 9):
            pen.line([(x, y), (x, y + 0.035)], 0.005, scale(look.ink, 0.8), pen.fade(0.006, 0.6))
        pen.line([(-half - 0.035, y + 0.036), (half + 0.035, y + 0.036)], 0.008, scale(look.ink, 0.8))
        _pagoda_roof(pen, y + 0.095, half, r, look)
        y += 0.205
    pen.line([(0, y), (0, y + 0.16)], 0.018, (210, 170, 80))
    for k in range(4):
        pen.disc(0, y + 0.035 + 0.03 * k, 0.026 - 0.004 * k, 0.009, (226, 190, 96))


def _pagoda_roof(pen: Pen, y: float, half: float, r: float, look: Look) -> None:
    low = [(-r, y + 0.03), (-r * 0.6, y + 0.003), (0, y), (r * 0.6, y + 0.003), (r, y + 0.03)]
    roof = [
        *low,
        (r * 0.97, y + 0.052),
        (r * 0.7, y + 0.052),
        (half * 0.8, y + 0.122),
        (-half * 0.8, y + 0.122),
        (-r * 0.7, y + 0.052),
        (-r * 0.97, y + 0.052),
    ]
    pen.poly(roof, look.ink, line=True)
    d = -pen.light
    pen.poly(
        [
            (d * r, y + 0.03),
            (d * r * 0.4, y + 0.002),
            (d * half * 0.42, y + 0.122),
            (d * half * 0.8, y + 0.122),
            (d * r * 0.7, y + 0.052),
        ],
        shade(look.ink),
    )
    tiles(
        pen,
        ((-r * 0.74, y + 0.02), (r * 0.74, y + 0.02), (half * 0.78, y + 0.118), (-half * 0.78, y + 0.118)),
        4,
        look.ink,
    )
    pen.line(low, 0.010, scale(look.ink, 0.62))
    for side in (-1, 1):
        pen.line([(side * r, y + 0.03), (side * r, y)], 0.004, INK, pen.fade(0.006))
        pen.disc(side * r, y - 0.006, 0.011, 0.014, (240, 200, 90), pen.fade(0.012))


def lantern(pen: Pen, look: Look) -> None:
    """A paper lantern under a little roof on a post, with ribs, a sign and a tassel."""
    pen.rect(-0.035, 0, 0.035, 0.30, WOOD, line=True)
    planks(pen, box(-0.035, 0, 0.035, 0.30), 3, WOOD, upright=True)
    pen.poly([(-0.16, 0.0), (0.16, 0.0), (0.10, 0.07), (-0.10, 0.07)], STONE, line=True)
    for x in (-0.25, 0.25):
        pen.line([(x, 0.28), (x, 0.86)], 0.022, scale(WOOD, 0.9))
    pen.rect(-0.29, 0.26, 0.29, 0.31, WOOD, line=True)
    if look.lit:
        for grow, alpha in ((1.7, 22), (1.4, 30), (1.2, 40)):
            pen.disc(0, 0.57, 0.22 * grow, 0.23 * grow, (255, 206, 120), alpha, glow=True)
    _paper(pen, look)
    roof = [(-0.38, 0.84), (0.38, 0.84), (0.30, 0.90), (0.08, 1.0), (-0.08, 1.0), (-0.30, 0.90)]
    pen.poly(roof, (84, 72, 94), line=True)
    tiles(pen, ((-0.34, 0.845), (0.34, 0.845), (0.08, 0.99), (-0.08, 0.99)), 4, (104, 92, 116))


def _paper(pen: Pen, look: Look) -> None:
    ink = mix(look.ink, (255, 236, 170), 0.25) if look.lit else look.ink
    outline = [
        (-0.12, 0.78),
        (0.12, 0.78),
        (0.21, 0.70),
        (0.235, 0.57),
        (0.21, 0.44),
        (0.12, 0.36),
        (-0.12, 0.36),
        (-0.21, 0.44),
        (-0.235, 0.57),
        (-0.21, 0.70),
    ]
    pen.blob(outline, ink, glow=look.lit, line=True)
    if look.lit:
        pen.disc(0, 0.57, 0.15, 0.16, mix(look.ink, (255, 244, 190), 0.6), 160, glow=True)
    else:
        pen.disc(pen.light * 0.07, 0.62, 0.08, 0.12, light(look.ink), 130)
    for k in range(1, 9):
        y = 0.36 + 0.42 * k / 9
        half = 0.232 * (1 - abs((y - 0.57) / 0.30) ** 2.6)
        pen.line([(-half, y), (0, y - 0.008), (half, y)], 0.006, scale(ink, 0.72), pen.fade(0.012, 1.0), glow=look.lit)
    sign: Colour = (60, 30, 40) if look.ink[1] > 190 else (255, 248, 226)
    for points in (
        ((-0.06, 0.64), (0.06, 0.645)),
        ((0, 0.69), (0, 0.48)),
        ((-0.07, 0.56), (0.07, 0.565)),
        ((-0.01, 0.56), (-0.07, 0.47)),
        ((0.01, 0.56), (0.07, 0.47)),
    ):
        pen.line(points, 0.022, sign, glow=look.lit)
    for y in (0.345, 0.775):
        pen.rect(-0.125, y - 0.018, 0.125, y + 0.018, (58, 48, 62), line=True)
    pen.line([(0, 0.33), (0, 0.31)], 0.02, (250, 206, 90))


def bridge(pen: Pen, look: Look) -> None:
    """A steep wooden bridge with a railing of posts with caps, over water."""
    x = np.linspace(-1.0, 1.0, 25)
    top = 0.48 * (1 - x**2 * 0.92)
    deck = list(zip(x.tolist(), top.tolist(), strict=True))
    under = list(zip(x.tolist(), (top - 0.09 - 0.04 * (1 - x**2)).tolist(), strict=True))
    for p in (-0.55, 0.55):
        pen.rect(p - 0.035, -0.06, p + 0.035, 0.30, scale(look.ink, 0.62), line=True)
    pen.poly([*deck, *under[::-1]], look.ink, line=True)
    pen.poly([*[(a, b - 0.06) for a, b in deck], *under[::-1]], shade(look.ink))
    pen.line([(a, b + 0.012) for a, b in deck], 0.035, (206, 160, 112))
    for i in range(24):
        a, b = deck[i]
        pen.line([(a, b - 0.005), (a, b + 0.03)], 0.007, WOOD, pen.fade(0.014))
    for rise, width in ((0.29, 0.030), (0.17, 0.018)):
        pen.line([(a, b + rise) for a, b in deck], width + 0.016, mix(scale(look.ink, 0.42), INK, 0.4))
        pen.line([(a, b + rise) for a, b in deck], width, look.ink)
    for p in np.linspace(-0.96, 0.96, 9):
        y = 0.48 * (1 - float(p) ** 2 * 0.92)
        pen.rect(p - 0.022, y, p + 0.022, y + 0.34, look.ink, line=True)
        pen.rect(
            p - 0.022 if pen.light > 0 else p + 0.008,
            y,
            p - 0.008 if pen.light > 0 else p + 0.022,
            y + 0.34,
            shade(look.ink),
        )
        pen.disc(p, y + 0.365, 0.03, 0.035, (240, 204, 104), line=True)


DRAW = {"torii": torii, "pagoda": pagoda, "lantern": lantern, "bridge": bridge}
