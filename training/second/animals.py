"""Cat and fox, with faces when the camera comes near."""

from __future__ import annotations

from training.second.buildings import Look
from training.second.girl import eye
from training.second.pen import INK, Colour, Pen, light, mix, scale, shade, smooth


def cat(pen: Pen, look: Look) -> None:
    """A sitting black cat with a bell."""
    fur: Colour = (78, 70, 98)
    tail = smooth([(0.18, 0.05), (0.36, 0.06), (0.40, 0.22), (0.30, 0.30), (0.34, 0.36)], closed=False)
    pen.line(tail, 0.085, mix(scale(fur, 0.42), INK, 0.4))
    pen.line(tail, 0.068, fur)
    pen.blob(
        [(-0.22, 0.0), (-0.26, 0.16), (-0.16, 0.46), (0.0, 0.56), (0.16, 0.46), (0.26, 0.16), (0.22, 0.0)],
        fur,
        line=True,
    )
    pen.blob(
        [(-pen.light * 0.25, 0.14), (-pen.light * 0.2, 0.0), (-pen.light * 0.08, 0.02), (-pen.light * 0.12, 0.4)],
        shade(fur),
    )
    for side in (-1, 1):
        pen.blob(
            [(side * 0.03, 0.0), (side * 0.05, 0.30), (side * 0.12, 0.30), (side * 0.13, 0.0)],
            light(fur) if side == pen.light else fur,
            160,
        )
        pen.disc(side * 0.085, 0.025, 0.065, 0.032, (246, 240, 240), line=True)
        pen.poly([(side * 0.225, 0.78), (side * 0.215, 1.0), (side * 0.06, 0.90)], fur, line=True)
        pen.poly([(side * 0.19, 0.82), (side * 0.19, 0.94), (side * 0.10, 0.88)], (240, 160, 170))
    pen.blob(
        [(-0.25, 0.70), (-0.20, 0.84), (0, 0.90), (0.20, 0.84), (0.25, 0.70), (0.15, 0.56), (0, 0.53), (-0.15, 0.56)],
        fur,
        line=True,
    )
    _muzzle(pen, 0.0, 0.66, fur)
    pen.rect(-0.14, 0.505, 0.14, 0.545, (226, 60, 70), line=True)
    pen.disc(0, 0.50, 0.036, 0.036, (252, 206, 80), line=True)
    pen.line([(-0.02, 0.495), (0.02, 0.495)], 0.007, (150, 100, 40), pen.fade(0.01))


def _muzzle(pen: Pen, x: float, y: float, fur: Colour) -> None:
    for side in (-1, 1):
        eye(pen, x + side * 0.105, y + 0.065, 0.052, (246, 206, 84))
        for k in (-1, 0, 1):
            pen.line(
                [(x + side * 0.08, y - 0.02), (x + side * 0.29, y - 0.02 + 0.035 * k)],
                0.006,
                (250, 246, 246),
                max(90, pen.fade(0.006)),
            )
    pen.disc(x, y - 0.025, 0.055, 0.040, (246, 240, 240))
    pen.poly([(x - 0.022, y + 0.008), (x + 0.022, y + 0.008), (x, y - 0.016)], (244, 140, 150))
    pen.line(smooth([(x + k * 0.018, y - (0.032, 0.046)[k % 2]) for k in (-2, -1, 0, 1, 2)], closed=False), 0.007, INK)


def fox(pen: Pen, look: Look) -> None:
    """A standing fox with a bushy, white-tipped tail."""
    fur: Colour = (238, 128, 52)
    pale: Colour = (255, 246, 232)
    tail = [(0.30, 0.44), (0.42, 0.62), (0.62, 0.62), (0.72, 0.44), (0.66, 0.22), (0.50, 0.18), (0.42, 0.34)]
    pen.blob(tail, fur, line=True)
    pen.blob([(0.56, 0.27), (0.70, 0.36), (0.66, 0.22), (0.54, 0.16)], pale)
    for k in range(6):
        pen.line(
            [(0.46 + 0.035 * k, 0.56 - 0.02 * k), (0.50 + 0.03 * k, 0.48 - 0.02 * k)],
            0.008,
            scale(fur, 0.78),
            pen.fade(0.010),
        )
    for x, dark in ((-0.14, True), (0.30, True), (-0.24, False), (0.20, False)):
        leg = shade(fur) if dark else fur
        pen.poly([(x - 0.045, 0.30), (x + 0.055, 0.30), (x + 0.035, 0.0), (x - 0.035, 0.0)], leg, line=True)
        pen.poly([(x - 0.040, 0.13), (x + 0.040, 0.13), (x + 0.035, 0.0), (x - 0.045, 0.0)], (66, 46, 52))
    pen.blob(
        [
            (-0.32, 0.44),
            (-0.24, 0.58),
            (0.05, 0.55),
            (0.32, 0.56),
            (0.38, 0.40),
            (0.26, 0.25),
            (-0.05, 0.28),
            (-0.26, 0.27),
        ],
        fur,
        line=True,
    )
    pen.blob([(-0.28, 0.29), (-0.05, 0.27), (0.2, 0.27), (0.0, 0.33)], shade(fur))
    pen.blob([(-0.38, 0.50), (-0.26, 0.55), (-0.19, 0.40), (-0.24, 0.26), (-0.32, 0.33)], pale)
    _fox_head(pen.inside(-0.42, 0.68, 1.0), fur, pale)


def _fox_head(pen: Pen, fur: Colour, pale: Colour) -> None:
    for side in (-1, 1):
        pen.poly([(side * 0.17, 0.09), (side * 0.155, 0.33), (side * 0.03, 0.16)], fur, line=True)
        pen.poly([(side * 0.145, 0.13), (side * 0.14, 0.26), (side * 0.07, 0.16)], (70, 48, 56))
    pen.blob(
        [
            (-0.21, 0.03),
            (-0.15, 0.15),
            (0, 0.18),
            (0.15, 0.15),
            (0.21, 0.03),
            (0.10, -0.09),
            (0, -0.15),
            (-0.10, -0.09),
        ],
        fur,
        line=True,
    )
    for side in (-1, 1):
        pen.blob(
            [(side * 0.19, 0.03), (side * 0.08, 0.015), (side * 0.02, -0.08), (0, -0.13), (side * 0.10, -0.08)], pale
        )
        eye(pen, side * 0.08, 0.05, 0.036, (130, 84, 40))
        for k in (-1, 1):
            pen.line([(side * 0.05, -0.075), (side * 0.2, -0.075 + 0.03 * k)], 0.004, (255, 255, 255), pen.fade(0.006))
    pen.disc(0, -0.095, 0.028, 0.022, INK)
    pen.line(smooth([(-0.03, -0.118), (0, -0.128), (0.03, -0.118)], closed=False), 0.006, INK, pen.fade(0.006, 0.8))


DRAW = {"cat": cat, "fox": fox}
