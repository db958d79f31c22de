"""Whale and dragon, with grooves and scales when the camera comes near."""

from __future__ import annotations

import numpy as np

from training.second.buildings import Look
from training.second.girl import eye
from training.second.pen import INK, Colour, Pen, light, mix, scale, shade, smooth


def whale(pen: Pen, look: Look) -> None:
    """A whale with a grooved belly, spouting; it swims, or floats in the air."""
    blue: Colour = (66, 104, 176)
    tail = [
        (0.56, 0.34),
        (0.70, 0.44),
        (0.66, 0.66),
        (0.76, 0.60),
        (0.86, 0.70),
        (0.90, 0.58),
        (0.82, 0.42),
        (0.66, 0.24),
    ]
    pen.blob(tail, scale(blue, 0.9), line=True)
    for x, y in ((0.70, 0.62), (0.76, 0.56), (0.82, 0.64), (0.85, 0.58)):
        pen.line([(0.76, 0.44), (x, y)], 0.006, scale(blue, 0.7), pen.fade(0.008))
    pen.blob(
        [
            (-0.80, 0.36),
            (-0.70, 0.60),
            (-0.40, 0.72),
            (-0.05, 0.68),
            (0.30, 0.52),
            (0.66, 0.38),
            (0.64, 0.28),
            (0.30, 0.16),
            (-0.10, 0.06),
            (-0.50, 0.08),
            (-0.74, 0.20),
        ],
        blue,
        line=True,
    )
    pen.blob([(-0.60, 0.60), (-0.35, 0.69), (0.0, 0.64), (0.3, 0.5), (-0.1, 0.58), (-0.4, 0.60)], light(blue), 170)
    belly: Colour = (236, 240, 248)
    pen.blob(
        [(-0.78, 0.33), (-0.50, 0.28), (-0.10, 0.22), (0.26, 0.19), (-0.10, 0.07), (-0.50, 0.09), (-0.73, 0.20)], belly
    )
    for k in range(6):
        y = 0.28 - 0.033 * k
        pen.line(
            smooth([(-0.74 + 0.02 * k, y + 0.02), (-0.45, y - 0.02), (0.1 - 0.05 * k, y - 0.055)], closed=False),
            0.008,
            (176, 190, 216),
            max(60, pen.fade(0.010)),
        )
    pen.blob([(-0.30, 0.22), (-0.10, 0.20), (0.02, -0.06), (-0.12, -0.02)], scale(blue, 0.82), line=True)
    eye(pen, -0.50, 0.38, 0.042, (110, 160, 230))
    pen.line(smooth([(-0.79, 0.35), (-0.62, 0.31), (-0.56, 0.34)], closed=False), 0.012, INK)
    for x, y, r in (
        (-0.62, 0.50, 0.022),
        (-0.55, 0.56, 0.016),
        (-0.68, 0.46, 0.013),
        (0.1, 0.46, 0.02),
        (0.17, 0.42, 0.013),
    ):
        pen.disc(x, y, r, r, mix(blue, (255, 255, 255), 0.4), pen.fade(r, 1.0), line=True)
    for lean, high in ((-0.10, 0.96), (0.0, 1.02), (0.10, 0.95)):
        pen.line(
            smooth(
                [(-0.36, 0.72), (-0.36 + lean * 0.4, 0.9), (-0.36 + lean, high), (-0.36 + lean * 1.9, high - 0.08)],
                closed=False,
            ),
            0.028,
            (226, 244, 255),
            220,
        )


def dragon(pen: Pen, look: Look) -> None:
    """A long dragon winding through the air: mane, horns, whiskers, claws; scales when near."""
    ink = look.ink
    path = np.array(
        smooth(
            [
                (-0.58, 0.66),
                (-0.38, 0.52),
                (-0.16, 0.60),
                (0.05, 0.50),
                (0.10, 0.26),
                (0.34, 0.18),
                (0.50, 0.42),
                (0.40, 0.66),
                (0.58, 0.82),
                (0.78, 0.72),
            ],
            9,
            closed=False,
        )
    )
    t = np.linspace(0, 1, len(path))
    radius = 0.105 * (1 - t**1.6) * np.clip(0.62 + t * 2.2, 0, 1) + 0.012
    step = np.gradient(path, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], 1) / np.linalg.norm(step, axis=1, keepdims=True)
    outer, inner = path + normal * radius[:, None], path - normal * radius[:, None]
    for k in range(4, len(path) - 3, 3):
        tip = outer[k] + normal[k] * 0.055 + step[k] * 1.2
        pen.poly([tuple(outer[k - 2]), tuple(outer[k + 2]), tuple(tip)], (250, 196, 84), line=True)
    for k, reach in ((16, 0.18), (47, 0.16)):
        _claw(pen, inner[k], reach, ink)
    pen.poly([*map(tuple, outer), *map(tuple, inner[::-1])], ink, line=True)
    belly = path - normal * radius[:, None] * 0.35
    pen.poly([*map(tuple, belly), *map(tuple, inner[::-1])], (255, 236, 186))
    for k in range(1, len(path) - 1, 2):
        pen.line([tuple(belly[k]), tuple(inner[k])], 0.006, (206, 160, 110), pen.fade(0.009))
    _scales(pen, path, normal, radius, ink)
    pen.poly([tuple(path[-3]), (0.86, 0.84), (0.82, 0.72), (0.92, 0.66), tuple(path[-1])], (250, 196, 84), line=True)
    _dragon_head(pen.inside(-0.60, 0.70, 1.0), ink)


def _claw(pen: Pen, at: np.ndarray, reach: float, ink: Colour) -> None:
    x, y = float(at[0]), float(at[1]) + 0.03
    pen.line([(x, y), (x - 0.05, y - reach * 0.6), (x - 0.11, y - reach)], 0.05, shade(ink))
    for k in (-1, 0, 1):
        pen.poly(
            [
                (x - 0.13 + 0.02 * k, y - reach + 0.012),
                (x - 0.10 + 0.02 * k, y - reach),
                (x - 0.15 + 0.035 * k, y - reach - 0.05),
            ],
            (255, 248, 230),
            line=True,
        )


def _scales(pen: Pen, path: np.ndarray, normal: np.ndarray, radius: np.ndarray, ink: Colour) -> None:
    alpha = pen.fade(0.014)
    for k in range(2, len(path) - 4, 1) if alpha else ():
        for row in (0.1, 0.45, 0.78):
            x, y = (path[k] + normal[k] * radius[k] * (row + 0.12 * (k % 2))).tolist()
            r = 0.20 * float(radius[k])
            if pen.sees(x - r, y - r, x + r, y + r):
                pen.disc(x, y, r, r, scale(ink, 0.72), alpha)
                pen.disc(x - r * 0.2, y + r * 0.2, r * 0.8, r * 0.8, light(ink) if row > 0.6 else ink, alpha)


def _dragon_head(pen: Pen, ink: Colour) -> None:
    mane = [
        (0.05, 0.16),
        (0.16, 0.22),
        (0.13, 0.12),
        (0.26, 0.12),
        (0.16, 0.04),
        (0.26, -0.02),
        (0.12, -0.04),
        (0.16, -0.14),
        (0.02, -0.08),
    ]
    pen.poly(mane, (250, 196, 84), line=True)
    for x in (0.03, 0.09):
        pen.line(smooth([(x, 0.10), (x + 0.06, 0.22), (x + 0.14, 0.29)], closed=False), 0.026, (250, 236, 200))
    pen.blob(
        [
            (-0.26, 0.02),
            (-0.22, 0.08),
            (-0.08, 0.09),
            (0.02, 0.15),
            (0.12, 0.08),
            (0.11, -0.06),
            (-0.02, -0.10),
            (-0.16, -0.07),
            (-0.25, -0.05),
        ],
        ink,
        line=True,
    )
    pen.blob(
        [(-0.24, -0.04), (-0.10, -0.045), (0.04, -0.09), (-0.06, -0.13), (-0.20, -0.09)], (255, 236, 186), line=True
    )
    pen.line(smooth([(-0.26, -0.03), (-0.12, -0.035), (0.02, -0.02)], closed=False), 0.010, INK)
    for x in (-0.20, -0.14, -0.08):
        pen.poly([(x - 0.012, -0.035), (x + 0.012, -0.035), (x, -0.07)], (255, 255, 250), max(110, pen.fade(0.012)))
    eye(pen, 0.0, 0.055, 0.032, (250, 196, 60))
    pen.line([(-0.05, 0.10), (0.03, 0.125)], 0.018, scale(ink, 0.6))
    pen.disc(-0.225, 0.035, 0.012, 0.010, INK)
    for low in (0.0, -0.1):
        pen.line(
            smooth([(-0.24, 0.0), (-0.36, 0.06 + low), (-0.42, -0.04 + low), (-0.50, 0.02 + low)], closed=False),
            0.010,
            (255, 240, 200),
        )


DRAW = {"whale": whale, "dragon": dragon}
