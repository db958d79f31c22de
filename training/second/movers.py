"""Subjects that travel, and trees: each with its foot at the origin and about one unit high."""

from __future__ import annotations

import numpy as np

from training.second.buildings import Look
from training.second.pen import INK, Colour, Pen, light, mix, scale, shade, smooth
from training.second.texture import GLASS, GLOW, STEEL, WOOD, box, patch, planks


def balloon(pen: Pen, look: Look) -> None:
    """A hot-air balloon: gores in two tones, ropes, a woven basket with two travellers."""
    ink = look.ink
    pale: Colour = mix(ink, (255, 255, 255), 0.66) if ink[1] < 230 else (206, 212, 230)
    low, top, middle = 0.22, 1.0, 0.63
    edge = np.linspace(-1.0, 1.0, 7)
    y = np.linspace(low, top, 17)
    half = np.where(
        y > middle,
        0.39 * np.sqrt(np.clip(1 - ((y - middle) / 0.37) ** 2, 0, 1)),
        0.075 + 0.315 * np.sin((y - low) / (middle - low) * np.pi / 2) ** 1.1,
    )
    for i in range(6):
        a, b = np.sin(edge[i] * np.pi / 2), np.sin(edge[i + 1] * np.pi / 2)
        colour = ink if i % 2 == 0 else pale
        dark = (i < 2) if pen.light > 0 else (i > 3)
        gore = [
            *zip((half * a).tolist(), y.tolist(), strict=True),
            *zip((half * b)[::-1].tolist(), y[::-1].tolist(), strict=True),
        ]
        pen.poly(gore, shade(colour) if dark else colour)
        pen.line(
            [(float(h * a), float(v)) for h, v in zip(half, y, strict=True)], 0.006, scale(ink, 0.62), pen.fade(0.008)
        )
    ring = [*zip((-half).tolist(), y.tolist(), strict=True), *zip(half[::-1].tolist(), y[::-1].tolist(), strict=True)]
    pen.line([*ring, ring[0]], 0.010, mix(scale(ink, 0.42), INK, 0.4))
    pen.poly([(-0.39, 0.60), (0.39, 0.60), (0.385, 0.66), (-0.385, 0.66)], mix(ink, (255, 230, 150), 0.5))
    if look.lit:
        pen.blob([(-0.028, 0.18), (0, 0.165), (0.028, 0.18), (0.0, 0.26)], GLOW, glow=True)
    for x in (-0.065, 0.065):
        pen.line([(x, 0.11), (x * 1.15, 0.22)], 0.010, WOOD)
    for x, hair in ((-0.03, (70, 50, 48)), (0.032, (196, 130, 60))):
        pen.disc(x, 0.135, 0.020, 0.022, (255, 222, 196), pen.fade(0.02, 0.8))
        pen.disc(x, 0.146, 0.021, 0.014, hair, pen.fade(0.02, 0.8))
        pen.disc(x - 0.007, 0.134, 0.003, 0.004, INK, pen.fade(0.004))
        pen.disc(x + 0.007, 0.134, 0.003, 0.004, INK, pen.fade(0.004))
    basket = ((-0.06, 0.0), (0.06, 0.0), (0.075, 0.115), (-0.075, 0.115))
    pen.poly(basket, (176, 122, 74), line=True)
    planks(pen, basket, 7, (176, 122, 74))
    planks(pen, basket, 8, (176, 122, 74), upright=True)
    pen.rect(-0.08, 0.10, 0.08, 0.122, (120, 78, 50), line=True)


def boat(pen: Pen, look: Look) -> None:
    """A sailing boat: planked hull, mast, two seamed sails, a pennant."""
    ink, d = look.ink, -pen.light
    pen.rect(-0.013, 0.16, 0.013, 1.0, WOOD, line=True)
    main = [(d * 0.03, 0.24), (d * 0.46, 0.25), (d * 0.30, 0.62), (d * 0.03, 0.97)]
    pen.poly(main, ink, line=True)
    pen.poly([(d * 0.03, 0.24), (d * 0.15, 0.243), (d * 0.11, 0.60), (d * 0.03, 0.97)], shade(ink))
    for k in range(1, 6):
        y, half = 0.24 + 0.12 * k, 0.44 - 0.07 * k
        pen.line([(d * 0.03, y), (d * half, y + 0.01)], 0.007, scale(ink, 0.72), pen.fade(0.009))
    jib = [(-d * 0.03, 0.26), (-d * 0.40, 0.27), (-d * 0.20, 0.55), (-d * 0.03, 0.88)]
    pen.poly(jib, mix(ink, (255, 255, 255), 0.35), line=True)
    for k in range(1, 5):
        y, half = 0.26 + 0.12 * k, 0.37 - 0.08 * k
        pen.line([(-d * 0.03, y), (-d * half, y + 0.01)], 0.006, scale(ink, 0.84), pen.fade(0.009))
    pen.poly([(0, 1.0), (d * 0.15, 0.965), (0, 0.93)], (252, 214, 90), line=True)
    hull = ((-0.33, 0.0), (0.33, 0.0), (0.50, 0.21), (-0.48, 0.20))
    pen.poly(hull, (156, 96, 64), line=True)
    pen.poly(patch(hull, 0, 0, 1, 0.35), shade((156, 96, 64)))
    planks(pen, hull, 5, (156, 96, 64))
    pen.poly(patch(hull, 0, 0.78, 1, 1), (250, 240, 220))
    for x in (-0.2, -0.02, 0.16):
        pen.disc(x, 0.105, 0.026, 0.026, GLOW if look.lit else GLASS, glow=look.lit, line=True)
    pen.disc(0, -0.005, 0.44, 0.018, (255, 255, 255), 190)


def train(pen: Pen, look: Look) -> None:
    """A local train of two cars on its track, with wires above; people in the windows."""
    pen.rect(-3, -0.06, 3, 0.0, (150, 138, 138), line=True)
    for x in np.arange(-2.0, 2.0, 0.14):
        pen.rect(x, -0.035, x + 0.07, -0.005, (96, 74, 66), pen.fade(0.03))
    pen.rect(-3, -0.005, 3, 0.022, STEEL)
    for x in (-1.25, 0.0, 1.25):
        pen.rect(x - 0.016, 0.0, x + 0.016, 1.32, (110, 106, 122))
        pen.line([(x, 1.24), (x + 0.2, 1.24)], 0.016, (110, 106, 122))
    pen.line([(-3, 1.24), (3, 1.24)], 0.010, (90, 88, 104))
    for x in (-0.565, 0.565):
        _car(pen.inside(x, 0, 1.0), look, front=x < 0)


def _car(pen: Pen, look: Look, front: bool) -> None:
    for x in (-0.38, -0.22, 0.22, 0.38):
        pen.disc(x, 0.10, 0.072, 0.072, (74, 72, 86), line=True)
        pen.disc(x, 0.10, 0.03, 0.03, (170, 170, 182))
        for k in range(4):
            c, s = float(np.cos(k * np.pi / 4)), float(np.sin(k * np.pi / 4))
            pen.line(
                [(x - 0.06 * c, 0.10 - 0.06 * s), (x + 0.06 * c, 0.10 + 0.06 * s)],
                0.008,
                (130, 130, 142),
                pen.fade(0.012),
            )
    pen.rect(-0.50, 0.14, 0.50, 0.20, (70, 68, 84))
    body = [(-0.55, 0.18), (0.55, 0.18), (0.55, 0.86), (0.51, 0.93), (-0.51, 0.93), (-0.55, 0.86)]
    cream: Colour = (252, 246, 230)
    pen.poly(body, cream, line=True)
    pen.rect(-0.55, 0.18, 0.55, 0.46, look.ink)
    pen.rect(-0.55, 0.18, 0.55, 0.25, shade(look.ink))
    pen.rect(-0.55, 0.80, 0.55, 0.845, look.ink)
    pen.poly([(-0.52, 0.90), (0.52, 0.90), (0.49, 0.96), (-0.49, 0.96)], (176, 178, 192), line=True)
    if front:
        pen.line([(-0.1, 0.96), (0.05, 1.1), (-0.1, 1.22), (0.1, 1.235)], 0.014, (84, 82, 98))
        pen.disc(-0.53, 0.34, 0.025, 0.035, (255, 246, 200), glow=True)
    for i, x in enumerate((-0.40, -0.20, 0.20, 0.40)):
        _seat(pen, x, look.lit, i)
    for x in (-0.045, 0.045):
        pen.rect(x - 0.042, 0.20, x + 0.042, 0.80, mix(cream, look.ink, 0.25), line=True)
        pen.rect(x - 0.026, 0.52, x + 0.026, 0.74, GLOW if look.lit else GLASS, glow=look.lit)


def _seat(pen: Pen, x: float, lit: bool, i: int) -> None:
    pen.rect(x - 0.075, 0.52, x + 0.075, 0.76, GLOW if lit else GLASS, glow=lit, line=True)
    alpha = pen.fade(0.03)
    skin, hair = (255, 220, 192), ((74, 52, 48), (38, 36, 52), (190, 122, 60), (120, 70, 60))[i]
    at = x + 0.02 * (i % 3 - 1)
    pen.poly(
        [(at - 0.05, 0.52), (at + 0.05, 0.52), (at + 0.035, 0.58), (at - 0.035, 0.58)],
        ((230, 110, 100), (110, 150, 210))[i % 2],
        alpha,
    )
    pen.disc(at, 0.622, 0.036, 0.042, hair, alpha)
    pen.disc(at, 0.612, 0.028, 0.032, skin, alpha)
    fine = pen.fade(0.008)
    for side in (-1, 1):
        pen.disc(at + side * 0.011, 0.612, 0.0045, 0.007, INK, fine)
        pen.line([(x + side * 0.04, 0.75), (x + side * 0.06, 0.70)], 0.004, (255, 255, 255), fine)
    pen.line([(at - 0.006, 0.596), (at, 0.594), (at + 0.006, 0.596)], 0.003, (190, 90, 90), fine)
    pen.line([(x, 0.66), (x, 0.76)], 0.006, (240, 240, 240), pen.fade(0.01))


def cherry(pen: Pen, look: Look) -> None:
    """A cherry tree in bloom: forked trunk with bark, clusters, single blossoms when near."""
    bark: Colour = (96, 64, 66)
    pen.blob(
        [(-0.13, 0), (-0.05, 0.16), (-0.055, 0.38), (-0.02, 0.5), (0.05, 0.5), (0.05, 0.3), (0.06, 0.14), (0.14, 0)],
        bark,
        line=True,
    )
    for points, width in (
        (((0, 0.30), (-0.14, 0.45), (-0.30, 0.58)), 0.05),
        (((0.02, 0.34), (0.14, 0.50), (0.26, 0.62)), 0.05),
        (((0, 0.4), (-0.02, 0.6), (0.03, 0.75)), 0.04),
    ):
        pen.line(smooth(points, closed=False), width, bark)
    pen.line([(0.02 * pen.light, 0.05), (0.025 * pen.light, 0.40)], 0.022, light(bark), 140)
    for k in range(7):
        y = 0.06 + 0.05 * k
        pen.line(
            [(-0.03 + 0.02 * (k % 3), y), (0.02 + 0.01 * (k % 2), y + 0.008)], 0.008, scale(bark, 0.7), pen.fade(0.010)
        )
    rng = np.random.default_rng(int(look.turn * 1e6))
    spots = np.array(
        [
            (-0.36, 0.56),
            (0.36, 0.57),
            (-0.19, 0.73),
            (0.20, 0.74),
            (0.0, 0.85),
            (-0.38, 0.68),
            (0.39, 0.69),
            (0.0, 0.62),
            (-0.28, 0.62),
            (0.27, 0.60),
        ]
    )
    spots = spots + rng.uniform(-0.03, 0.03, spots.shape)
    for colour, grow, lift in (
        ((214, 112, 160), 1.0, -0.028),
        ((250, 166, 202), 0.92, 0.010),
        ((255, 206, 228), 0.52, 0.055),
    ):
        for x, y in spots.tolist():
            _cluster(pen, x + pen.light * lift * 0.8, y + lift, 0.155 * grow, colour)
    _blossoms(pen, spots, rng)


def _cluster(pen: Pen, x: float, y: float, r: float, colour: Colour) -> None:
    t = np.arange(10) * 2 * np.pi / 10
    bump = 1.0 + 0.10 * np.cos(5 * t + x * 40)
    pen.blob(
        list(zip((x + r * bump * np.cos(t)).tolist(), (y + r * 0.86 * bump * np.sin(t)).tolist(), strict=True)), colour
    )


def _blossoms(pen: Pen, spots: np.ndarray, rng: np.random.Generator) -> None:
    places = spots[rng.integers(len(spots), size=260)] + rng.normal(0, 0.065, (260, 2))
    alpha, near = pen.fade(0.013), pen.pixels(0.013) > 5
    for i, (x, y) in enumerate(places.tolist()) if alpha else ():
        if not pen.sees(x - 0.02, y - 0.02, x + 0.02, y + 0.02):
            continue
        petal: Colour = ((255, 226, 238), (255, 190, 216), (244, 150, 190))[i % 3]
        if not near:
            pen.disc(x, y, 0.012, 0.011, petal, alpha)
            continue
        for k in range(5):
            c, s = float(np.cos(k * 1.2566 + i)), float(np.sin(k * 1.2566 + i))
            pen.disc(x + 0.0095 * c, y + 0.0095 * s, 0.0075, 0.0075, petal, line=True)
        pen.disc(x, y, 0.005, 0.005, (236, 110, 140))
        pen.disc(x, y, 0.002, 0.002, (255, 236, 140))


def pine(pen: Pen, look: Look) -> None:
    """A pine tree: five skirts with ragged hems, needles and cones when near."""
    pen.rect(-0.05, 0, 0.05, 0.17, (104, 72, 54), line=True)
    planks(pen, box(-0.05, 0, 0.05, 0.16), 4, (104, 72, 54), upright=True)
    d, green = -pen.light, (46, 138, 88)
    for i, (y, half, h) in enumerate(
        ((0.11, 0.40, 0.30), (0.27, 0.345, 0.28), (0.43, 0.28, 0.27), (0.58, 0.21, 0.25), (0.73, 0.14, 0.28))
    ):
        colour = scale(green, 0.84 + 0.08 * i)
        hem = [(half * (-1 + k / 4), y - 0.035 * (k % 2)) for k in range(9)]
        pen.poly([*hem, (0, y + h)], colour, line=True)
        dark = [p for p in hem if p[0] * d >= -0.01]
        pen.poly([*dark, (0, y + h)], shade(colour))
        _needles(pen, y, half, h, colour)


def _needles(pen: Pen, y: float, half: float, h: float, colour: Colour) -> None:
    alpha = pen.fade(0.010)
    for row in range(1, 6) if alpha else ():
        v = row / 6
        for k in range(12):
            x, at = half * (1 - v) * (-1 + (k + 0.5 + 0.5 * (row % 2)) / 6.5), y + h * v * 0.9
            if pen.sees(x - 0.03, at - 0.04, x + 0.03, at + 0.02):
                tone = light(colour) if (k + row) % 3 else scale(colour, 0.7)
                for lean in (-0.014, 0.0, 0.014):
                    pen.line([(x, at), (x + lean, at - 0.030)], 0.0045, tone, alpha)
    cone = pen.fade(0.02)
    for k in range(3):
        pen.disc(half * (-0.5 + 0.5 * k), y + 0.05, 0.014, 0.022, (138, 92, 60), cone, line=True)


DRAW = {"balloon": balloon, "boat": boat, "train": train, "cherry": cherry, "pine": pine}
