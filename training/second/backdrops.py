"""Backdrops: what stands at the horizon, in layers from far to near, seen through haze."""

# ruff: noqa: PLR0917
from __future__ import annotations

import numpy as np

from training.second.pen import Colour, Pen, Point, light, mix, scale, shade
from training.second.sky import World

LEFT, RIGHT = -1.4, 1.4


def ridge(rng: np.random.Generator, height: float, rough: float, step: float = 0.055) -> list[Point]:
    """A line of hills over the whole width: a few waves and a rough part."""
    x = np.arange(LEFT, RIGHT + step, step)
    y = np.zeros_like(x)
    for period, share in ((1.1, 0.5), (0.45, 0.3), (0.2, 0.2)):
        y += share * (1 + np.sin(x / period * 2 * np.pi + rng.uniform(0, 6.3))) / 2
    y = height * (0.35 + 0.65 * y) + rough * rng.uniform(-1, 1, len(x))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def fill(pen: Pen, line: list[Point], colour: Colour, bottom: float = -0.02) -> None:
    """Fill below a line."""
    pen.poly([*line, (RIGHT + 0.1, bottom), (LEFT - 0.1, bottom)], colour)


def conifer(pen: Pen, x: float, y: float, h: float, colour: Colour, snow: bool = False) -> None:
    """A small fir tree; its skirts and needles show when it is large."""
    fine = pen.pixels(h) > 14
    for k in range(3 if fine else 2):
        low, top, half = y + h * (0.10 + 0.27 * k), y + h * (0.58 + 0.21 * k), h * (0.26 - 0.062 * k)
        pen.poly([(x - half, low), (x, low - 0.05 * h), (x + half, low), (x, min(y + h, top))], colour)
        if fine:
            dark = shade(colour)
            pen.poly([(x, low - 0.05 * h), (x - pen.light * half, low), (x, min(y + h, top))], dark)
        if snow:
            white = (244, 248, 255)
            pen.poly([(x - half * 0.55, low + 0.2 * h), (x + half * 0.55, low + 0.2 * h), (x, min(y + h, top))], white)


def mountains(w: World) -> None:
    """A range in the haze, one great peak with snow, woods at its foot."""
    fill(w.pen, ridge(w.chance(10), 0.20, 0.012), w.far((104, 126, 188), 0.62))
    rng = w.chance(11)
    x = float(rng.choice([-1, 1])) * float(rng.uniform(0.12, 0.34))
    _peak(w, x, float(rng.uniform(0.36, 0.48)), w.chance(12))
    fill(w.pen, ridge(w.chance(13), 0.12, 0.008), w.far((84, 112, 150), 0.42))
    fill(w.pen, ridge(w.chance(14), 0.07, 0.004), w.far((66, 128, 108), 0.28))
    rng = w.chance(15)
    for tree in np.linspace(LEFT, RIGHT, 70):
        h = float(rng.uniform(0.035, 0.065))
        conifer(w.pen, float(tree + rng.uniform(-0.02, 0.02)), -0.004, h, w.far((40, 104, 84), 0.16))


def _peak(w: World, x: float, h: float, rng: np.random.Generator) -> None:
    rock, snow = w.far((96, 112, 172), 0.42), w.far((252, 252, 255), 0.14)
    half, d = h * 1.35, -w.pen.light

    def flank(side: float) -> list[Point]:
        t = np.linspace(0, 1, 9)
        bend = side * half * t**1.25
        rough = rng.uniform(-0.012, 0.012, 9) * (t > 0)
        return list(zip((x + bend).tolist(), (h * (1 - t) + rough).tolist(), strict=True))

    left, right = flank(-1), flank(1)
    w.pen.poly([*left[::-1], *right, (x + half, -0.02), (x - half, -0.02)], rock)
    dark = left if d < 0 else right
    crest = [(x + d * half * t * 0.22 * (1 + 0.6 * (i % 2)), h * (1 - t)) for i, t in enumerate(np.linspace(0, 1, 8))]
    w.pen.poly([*dark, (x + d * half * 0.2, -0.02), *crest[::-1]], shade(rock))
    cut = 4
    hem = [(x + half * float(v), h * (1 - 0.42 - 0.12 * (i % 2))) for i, v in enumerate(np.linspace(-0.3, 0.3, 7))]
    w.pen.poly([*left[cut - 1 :: -1], *right[1:cut], *hem[::-1]], snow)
    shadow = [p for p in hem if (p[0] - x) * d > 0.01]
    edge = dark[:cut]
    w.pen.poly([*edge, *(shadow[::-1] if d > 0 else shadow), crest[3]], mix(snow, w.far((140, 156, 222), 0.1), 0.6))


def city(w: World) -> None:
    """Three rows of towers; their windows are lit when it is dark."""
    rows = ((0.62, 0.40, 0.10, 20), (0.40, 0.30, 0.12, 21), (0.16, 0.18, 0.15, 22))
    for share, height, wide, tag in rows:
        rng = w.chance(tag)
        x = LEFT
        while x < RIGHT:
            width, h = wide * float(rng.uniform(0.6, 1.2)), height * float(rng.uniform(0.5, 1.15))
            base = mix((108, 122, 168), (164, 132, 150), float(rng.random()))
            if w.pen.sees(x, 0, x + width, h + 0.08):
                _building(
                    w, x, width, h, w.far(base, share), share, np.random.default_rng([w.seed, int(x * 1e4) + 20000])
                )
            x += width * float(rng.uniform(1.0, 1.25))


def _building(w: World, x: float, width: float, h: float, wall: Colour, share: float, rng: np.random.Generator) -> None:
    pen, d = w.pen, -w.pen.light
    pen.rect(x, -0.02, x + width, h, wall)
    edge = x if d < 0 else x + width
    pen.rect(edge, -0.02, edge - d * width * 0.26, h, shade(wall))
    kind = int(rng.integers(3))
    if kind == 0:
        pen.line([(x + width / 2, h), (x + width / 2, h + 0.06)], 0.005, shade(wall))
    elif kind == 1:
        pen.rect(x + width * 0.2, h, x + width * 0.6, h + 0.022, wall)
    pen.rect(x - 0.003, h - 0.007, x + width + 0.003, h, mix(wall, light(wall), 0.7))
    if share > 0.5:
        return
    lamp: Colour = (255, 216, 124) if w.lit else w.far((214, 234, 255), 0.2 + share / 2)
    size = 0.011 + 0.012 * (0.4 - share)
    columns, rows = max(2, int(width / (size * 2.0))), int(h / (size * 2.4))
    on = rng.random((rows, columns)) < (0.55 if w.lit else 0.85)
    for i, j in zip(*np.nonzero(on), strict=True):
        cx, cy = x + (j + 0.5) * width / columns, h - size * (1.4 + 2.4 * i)
        pen.rect(cx - size * 0.45, cy - size * 0.75, cx + size * 0.45, cy + size * 0.75, lamp, glow=w.lit)
        if pen.pixels(size) > 7 and pen.sees(cx - size, cy - size, cx + size, cy + size):
            pen.rect(cx - size * 0.03, cy - size * 0.75, cx + size * 0.03, cy + size * 0.75, shade(wall))
            pen.rect(cx - size * 0.55, cy - size * 0.9, cx + size * 0.55, cy - size * 0.75, light(wall))


def forest(w: World) -> None:
    """Rows of firs in the haze, then round crowns with lit leaves."""
    for share, height, count, tag in ((0.55, 0.30, 44, 30), (0.34, 0.22, 50, 31)):
        rng = w.chance(tag)
        colour = w.far((52, 122, 96), share)
        w.pen.rect(LEFT, -0.02, RIGHT, height * 0.42, colour)
        for x in np.linspace(LEFT, RIGHT, count):
            h = height * float(rng.uniform(0.75, 1.15))
            conifer(w.pen, float(x + rng.uniform(-0.02, 0.02)), 0, h, colour)
    rng = w.chance(32)
    for x in np.linspace(LEFT, RIGHT, 26):
        r, y = float(rng.uniform(0.055, 0.085)), float(rng.uniform(0.06, 0.10))
        _crown(w, float(x + rng.uniform(-0.02, 0.02)), y, r, rng)
    w.pen.rect(LEFT, -0.03, RIGHT, 0.03, w.far((30, 92, 66), 0.08))


def _crown(w: World, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    green = w.far(mix((38, 112, 70), (70, 140, 64), float(rng.random())), 0.12)
    spots = rng.uniform(-1, 1, (6, 2))
    if not w.pen.sees(x - 2 * r, y - 2 * r, x + 2 * r, y + 2 * r):
        return
    w.pen.rect(x - r * 0.1, -0.02, x + r * 0.1, y, w.far((84, 62, 54), 0.1))
    for colour, grow, lift in ((shade(green), 1.0, 0.0), (green, 0.9, 0.12), (light(green), 0.5, 0.3)):
        for dx, dy in [(0.0, 0.0), *spots[:4].tolist()]:
            cx, cy = x + dx * 0.55 * r + w.pen.light * lift * 0.3 * r, y + (dy * 0.4 + lift) * r
            w.pen.disc(cx, cy, r * 0.62 * grow, r * 0.58 * grow, colour)


def sea(w: World) -> None:
    """Islands at the horizon."""
    rng = w.chance(40)
    for i in range(2):
        x, half = float(rng.uniform(-0.7, 0.7)), float(rng.uniform(0.1, 0.24))
        h = half * float(rng.uniform(0.2, 0.36))
        top = [(x - half, -0.01), (x - half * 0.6, h * 0.6), (x - half * 0.1, h), (x + half * 0.5, h * 0.5)]
        w.pen.blob([*top, (x + half, -0.01)], w.far((84, 124, 150), 0.55 - 0.2 * i))
    w.pen.rect(LEFT, -0.02, RIGHT, 0.0, w.mood.water[0], glow=True)


def desert(w: World) -> None:
    """Table mountains in the haze, and dunes with a sharp crest."""
    rng = w.chance(50)
    for _ in range(3):
        x, half, h = float(rng.uniform(-0.9, 0.9)), float(rng.uniform(0.07, 0.15)), float(rng.uniform(0.1, 0.2))
        rock = w.far((214, 124, 90), 0.42)
        w.pen.poly([(x - half, 0), (x - half * 0.75, h), (x + half * 0.75, h), (x + half, 0)], rock)
        d = -w.pen.light
        w.pen.poly(
            [(x + d * half, 0), (x + d * half * 0.75, h), (x + d * half * 0.3, h), (x + d * half * 0.4, 0)], shade(rock)
        )
        w.pen.rect(x - half * 0.8, h * 0.62, x + half * 0.8, h * 0.70, scale(rock, 0.9))
    for k, (share, height) in enumerate(((0.34, 0.15), (0.12, 0.10))):
        rng = w.chance(51 + k)
        for x in np.linspace(-1.1, 1.1, 5):
            _dune(
                w,
                float(x + rng.uniform(-0.2, 0.2)),
                height * float(rng.uniform(0.6, 1.2)),
                w.far((244, 192, 108), share),
            )


def _dune(w: World, x: float, h: float, sand: Colour) -> None:
    d, half, y = -w.pen.light, h * 3.4, -0.02
    t = np.linspace(0, 1, 10)
    up = [(x - d * half * (1 - float(v)), y + h * float(np.sin(v * np.pi / 2)) ** 2) for v in t]
    down = [(x + d * half * 0.8 * float(v), y + h * float(np.cos(v * np.pi / 2)) ** 2) for v in t]
    w.pen.poly([*up, *down], sand)
    inner = [(x - d * half * 0.16, y), (x + d * half * 0.02, y + h * 0.34), (x - d * half * 0.05, y + h * 0.62)]
    w.pen.poly([*down, *inner], mix(shade(sand), (160, 96, 110), 0.2))


def snow(w: World) -> None:
    """White hills with blue shade and snowy firs."""
    for share, height, tag in ((0.50, 0.26, 60), (0.28, 0.17, 61), (0.10, 0.09, 62)):
        white = w.far((240, 245, 255), share * 0.8)
        line = ridge(w.chance(tag), height, 0.0)
        fill(w.pen, line, mix(white, w.far((146, 168, 226), share), 0.55))
        shift = w.pen.light * 0.05
        lit = [
            (x, min(y - 0.004, np.interp(x + shift, [p[0] for p in line], [p[1] for p in line]) - 0.008))
            for x, y in line
        ]
        fill(w.pen, lit, white)
        rng = w.chance(tag + 5)
        for x in np.linspace(LEFT, RIGHT, 18):
            at, h = float(x + rng.uniform(-0.06, 0.06)), float(rng.uniform(0.05, 0.10)) * (1.3 - share)
            foot = float(np.interp(at, [p[0] for p in line], [p[1] for p in line])) - 0.02
            if rng.random() < 0.7:
                conifer(w.pen, at, foot, h, w.far((58, 104, 116), share), snow=True)


DRAW = {"mountains": mountains, "city": city, "forest": forest, "sea": sea, "desert": desert, "snow": snow}
