"""A girl with an umbrella, and the eyes of all that have a face."""

from __future__ import annotations

import numpy as np

from training.second.buildings import Look
from training.second.pen import INK, Colour, Pen, light, mix, scale, shade, smooth


def eye(pen: Pen, x: float, y: float, r: float, iris: Colour) -> None:
    """A large eye with its lights (all but the dark shape only when near)."""
    pen.disc(x, y, r * 0.8, r * 1.1, (255, 255, 255), pen.fade(r, 1.2))
    pen.disc(x, y, r * 0.62, r * 0.95, scale(iris, 0.62))
    pen.disc(x, y - r * 0.25, r * 0.5, r * 0.62, iris, pen.fade(r, 1.2))
    pen.disc(x, y, r * 0.28, r * 0.48, INK, pen.fade(r, 1.2))
    pen.disc(x + r * 0.22, y + r * 0.42, r * 0.22, r * 0.26, (255, 255, 255))
    pen.disc(x - r * 0.22, y - r * 0.45, r * 0.12, r * 0.14, (255, 255, 255), pen.fade(r, 1.6))
    lid = smooth([(x - r * 0.85, y + r * 0.55), (x, y + r * 1.15), (x + r * 0.85, y + r * 0.6)], closed=False)
    pen.line(lid, r * 0.26, INK)


def girl(pen: Pen, look: Look) -> None:
    """A girl in a light coat and boots under a large umbrella."""
    coat: Colour = (252, 214, 96) if look.ink[1] < 195 else (238, 110, 110)
    hair: Colour = (82, 52, 60)
    d = -pen.light
    for side in (-1, 1):
        pen.rect(side * 0.035 - 0.024, 0.07, side * 0.035 + 0.024, 0.20, (255, 222, 198), line=True)
        pen.blob(
            [
                (side * 0.035 - 0.035, 0),
                (side * 0.035 + 0.04, 0),
                (side * 0.035 + 0.034, 0.11),
                (side * 0.035 - 0.032, 0.11),
            ],
            (70, 90, 150),
            line=True,
        )
    pen.blob(
        [(-0.10, 0.60), (-0.135, 0.44), (-0.09, 0.40), (0.09, 0.40), (0.135, 0.44), (0.10, 0.60)],
        scale(hair, 0.85),
        line=True,
    )
    pen.poly([(-0.15, 0.17), (0.15, 0.17), (0.075, 0.46), (-0.075, 0.46)], coat, line=True)
    pen.poly([(d * 0.15, 0.17), (d * 0.05, 0.17), (d * 0.03, 0.46), (d * 0.075, 0.46)], shade(coat))
    for y in (0.24, 0.31, 0.38):
        pen.disc(0, y, 0.010, 0.010, (255, 250, 240), pen.fade(0.012), line=True)
    pen.line([(-0.07, 0.43), (-0.13, 0.33), (-0.10, 0.26)], 0.045, coat)
    pen.disc(-0.10, 0.255, 0.022, 0.022, (255, 222, 198))
    _face(pen, hair)
    pen.line([(0.115, 0.34), (0.05, 0.86)], 0.014, (110, 84, 90))
    pen.line([(0.07, 0.42), (0.13, 0.36), (0.11, 0.40)], 0.045, coat)
    pen.disc(0.112, 0.40, 0.022, 0.022, (255, 222, 198), line=True)
    _umbrella(pen, look.ink)


def _face(pen: Pen, hair: Colour) -> None:
    skin: Colour = (255, 226, 204)
    pen.rect(-0.02, 0.44, 0.02, 0.50, scale(skin, 0.9))
    pen.disc(0, 0.575, 0.115, 0.115, hair, line=True)
    pen.blob(
        [(-0.088, 0.59), (-0.075, 0.515), (0, 0.468), (0.075, 0.515), (0.088, 0.59), (0.05, 0.655), (-0.05, 0.655)],
        skin,
    )
    for side in (-1, 1):
        eye(pen, side * 0.040, 0.560, 0.022, (96, 132, 220))
        pen.disc(side * 0.056, 0.524, 0.016, 0.008, (255, 160, 150), 150)
        pen.line([(side * 0.022, 0.60), (side * 0.055, 0.603)], 0.006, scale(hair, 0.8), pen.fade(0.008))
    pen.line(
        smooth([(-0.013, 0.513), (0, 0.506), (0.013, 0.513)], closed=False),
        0.006,
        (200, 90, 90),
        max(120, pen.fade(0.006)),
    )
    pen.line([(0, 0.533), (0.004, 0.528)], 0.004, (220, 150, 130), pen.fade(0.005))
    fringe = [
        (-0.10, 0.56),
        (-0.105, 0.65),
        (0, 0.70),
        (0.105, 0.65),
        (0.10, 0.56),
        (0.075, 0.615),
        (0.05, 0.59),
        (0.02, 0.625),
        (-0.015, 0.59),
        (-0.045, 0.625),
        (-0.075, 0.59),
    ]
    pen.poly(fringe, hair)
    pen.line(smooth([(-0.05, 0.665), (0, 0.678), (0.05, 0.665)], closed=False), 0.012, light(hair), 170)
    for k in range(5):
        pen.line(
            [(-0.06 + 0.03 * k, 0.685 - 0.002 * k), (-0.07 + 0.035 * k, 0.63)], 0.003, scale(hair, 0.7), pen.fade(0.006)
        )


def _umbrella(pen: Pen, ink: Colour) -> None:
    x, y, half = 0.05, 0.72, 0.37
    t = np.linspace(0, np.pi, 15)
    dome = [(x + half * float(np.cos(a)), y + 0.245 * float(np.sin(a)) ** 0.9) for a in t]
    ends = np.linspace(-1, 1, 6)
    hem = [(x + half * float(v), y + (0.028 if i % 2 else 0.0)) for i, v in enumerate(np.linspace(-1, 1, 11))]
    pen.poly([*dome, *hem], ink, line=True)
    dark = [(px, py) for px, py in dome if (px - x) * -pen.light > half * 0.25]
    if len(dark) > 2:
        tip = (x - pen.light * half * 0.2, y + 0.02)
        pen.poly([*dark, tip], shade(ink))
    for v in ends[1:-1]:
        rib = smooth([(x, y + 0.245), (x + half * float(v) * 0.72, y + 0.16), (x + half * float(v), y)], closed=False)
        pen.line(rib, 0.008, scale(ink, 0.72))
    shine = [
        (x + pen.light * half * 0.25, y + 0.20),
        (x + pen.light * half * 0.55, y + 0.15),
        (x + pen.light * half * 0.45, y + 0.13),
    ]
    pen.blob(shine, light(ink), 160)
    for k in range(7):
        px, py = x + half * (-0.8 + 0.27 * k), y + 0.05 + 0.03 * (k % 2)
        pen.disc(px, py, 0.012, 0.012, mix(ink, (255, 255, 255), 0.6), pen.fade(0.014))
    pen.line([(x, y + 0.24), (x, y + 0.285)], 0.014, (110, 84, 90))


DRAW = {"girl": girl}
