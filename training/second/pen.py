"""A pen that draws lit, outlined shapes in the frame of an object, with detail that appears as it grows."""

# ruff: noqa: PLR0917
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Point = tuple[float, float]

OVERSAMPLE = 3
INK: Colour = (44, 36, 62)
NO_TINT: Colour = (1.0, 1.0, 1.0)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """A colour between `a` (share 0) and `b` (share 1)."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


def scale(colour: Colour, factor: float) -> Colour:
    """A darker (below 1) or lighter (above 1) colour."""
    return min(255.0, colour[0] * factor), min(255.0, colour[1] * factor), min(255.0, colour[2] * factor)


def shade(colour: Colour) -> Colour:
    """The colour of the side away from the light."""
    return mix(scale(colour, 0.72), (64, 56, 140), 0.16)


def light(colour: Colour) -> Colour:
    """The colour of an edge that catches the light."""
    return mix(colour, (255, 250, 230), 0.38)


def smooth(points: Sequence[Point], steps: int = 5, closed: bool = True) -> list[Point]:
    """A curve through `points` (Catmull-Rom), as a polygon or a polyline."""
    p = np.asarray(points, float)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    out = [(float(x), float(y)) for x, y in curve.reshape(-1, 2)]
    return out if closed else [*out, (float(p[-2, 0]), float(p[-2, 1]))]


class Pen:
    """Draws in a frame: `origin` in pixels of the enlarged picture, `unit` pixels for one unit, y upwards.

    `light` is the side from which light comes (1 right, -1 left); `flat` below 1 squeezes the height, and a negative
    one turns the frame over, for reflections.
    """

    def __init__(
        self,
        image: Image.Image,
        origin: Point,
        unit: float,
        tint: Colour = NO_TINT,
        light: int = 1,
        flat: float = 1.0,
    ) -> None:
        self.image, self.origin, self.unit = image, origin, unit
        self.tint, self.light, self.flat = tint, light, flat
        self.draw = ImageDraw.Draw(image, "RGBA")
        self.outline = float(np.clip(0.0075 * unit, 0.0, 1.5 * OVERSAMPLE))

    def inside(self, x: float, y: float, size: float) -> Pen:
        """A pen whose origin is (x, y) in this frame and whose unit is `size` of this one's."""
        return Pen(self.image, self._at(x, y), self.unit * size, self.tint, self.light, self.flat)

    def pixels(self, size: float) -> float:
        """How many pixels of the finished picture `size` units are."""
        return size * self.unit / OVERSAMPLE

    def fade(self, size: float, first: float = 1.6) -> int:
        """The opacity of a detail of this size: nothing below `first` pixels of the picture, full at twice that."""
        return int(255 * min(1.0, max(0.0, self.pixels(size) / first - 1.0)))

    def sees(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        """Whether a box can be seen."""
        (a, b), (c, d) = self._at(x0, y0), self._at(x1, y1)
        left, right, top, bottom = min(a, c), max(a, c), min(b, d), max(b, d)
        return right > 0 and left < self.image.width and bottom > 0 and top < self.image.height

    def view(self) -> tuple[float, float, float, float]:
        """The visible box in this frame: left, bottom, right, top."""
        x, y = self.origin
        u, v = self.unit, self.unit * self.flat
        low, high = sorted(((y - self.image.height) / v, y / v))
        return -x / u, low, (self.image.width - x) / u, high

    def ink(self, colour: Colour, alpha: int = 255, glow: bool = False) -> tuple[int, int, int, int]:
        """A colour in this light (not changed where it glows by itself)."""
        t = NO_TINT if glow else self.tint
        r, g, b = (int(min(255.0, max(0.0, c * k))) for c, k in zip(colour, t, strict=True))
        return r, g, b, alpha

    def _at(self, x: float, y: float) -> Point:
        return self.origin[0] + x * self.unit, self.origin[1] - y * self.unit * self.flat

    def poly(
        self, points: Sequence[Point], colour: Colour, alpha: int = 255, glow: bool = False, line: bool = False
    ) -> None:
        """Fill a polygon, with `line` in its darker outline."""
        at = [self._at(x, y) for x, y in points]
        xs, ys = [p[0] for p in at], [p[1] for p in at]
        if max(xs) < 0 or min(xs) > self.image.width or max(ys) < 0 or min(ys) > self.image.height or not alpha:
            return
        self.draw.polygon(at, fill=self.ink(colour, alpha, glow))
        if line and self.outline >= 1.0:
            dark = self.ink(mix(scale(colour, 0.42), INK, 0.4))
            self.draw.line([*at, at[0], at[1]], fill=dark, width=max(1, round(self.outline)), joint="curve")

    def blob(
        self, points: Sequence[Point], colour: Colour, alpha: int = 255, glow: bool = False, line: bool = False
    ) -> None:
        """Fill a smooth closed shape through `points`."""
        self.poly(smooth(points), colour, alpha, glow, line)

    def rect(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        colour: Colour,
        alpha: int = 255,
        glow: bool = False,
        line: bool = False,
    ) -> None:
        """Fill an upright rectangle, whichever corner comes first."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, alpha, glow, line)

    def disc(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        alpha: int = 255,
        glow: bool = False,
        line: bool = False,
    ) -> None:
        """Fill an ellipse."""
        if not alpha or not self.sees(x - rx, y - ry, x + rx, y + ry):
            return
        (a, b), (c, d) = self._at(x - rx, y - ry), self._at(x + rx, y + ry)
        box = (min(a, c), min(b, d), max(a, c), max(b, d))
        edge = self.ink(mix(scale(colour, 0.42), INK, 0.4)) if line and self.outline >= 1 else None
        width = max(1, round(self.outline)) if edge else 0
        self.draw.ellipse(box, fill=self.ink(colour, alpha, glow), outline=edge, width=width)

    def line(self, points: Sequence[Point], width: float, colour: Colour, alpha: int = 255, glow: bool = False) -> None:
        """Draw a line with round joints; `width` in units."""
        pixels = width * self.unit
        if pixels < 0.4 or not alpha:
            return
        at = [self._at(x, y) for x, y in points]
        xs, ys = [p[0] for p in at], [p[1] for p in at]
        if max(xs) < 0 or min(xs) > self.image.width or max(ys) < 0 or min(ys) > self.image.height:
            return
        self.draw.line(at, fill=self.ink(colour, alpha, glow), width=max(1, round(pixels)), joint="curve")
        if pixels > 5 and alpha == 255:
            for x, y in (points[0], points[-1]):
                self.disc(x, y, width / 2, width / 2 / abs(self.flat), colour, alpha, glow)

    def wash(self, x0: float, y0: float, x1: float, y1: float, top: Colour, low: Colour, glow: bool = False) -> None:
        """Fill an upright rectangle with a vertical gradient."""
        (a, b), (c, d) = self._at(x0, max(y0, y1)), self._at(x1, min(y0, y1))
        left, right = max(0, int(min(a, c))), min(self.image.width, int(np.ceil(max(a, c))))
        upper, lower = max(0, int(min(b, d))), min(self.image.height, int(np.ceil(max(b, d))))
        if right <= left or lower <= upper:
            return
        t = ((np.arange(upper, lower) + 0.5 - b) / max(1e-6, d - b)).clip(0, 1)[:, None]
        ends = np.array([self.ink(top, 255, glow)[:3], self.ink(low, 255, glow)[:3]], float)
        column = (ends[0] + (ends[1] - ends[0]) * t + 0.5).clip(0, 255).astype(np.uint8)
        self.image.paste(Image.fromarray(column[:, None]).resize((right - left, lower - upper)), (left, upper))
