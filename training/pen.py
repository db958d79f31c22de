"""A pen that draws lit shapes in unit coordinates on an enlarged picture, and a few colour helpers."""

# ruff: noqa: PLR0917
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Point = tuple[float, float]

OVERSAMPLE = 3


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """A colour between `a` (share 0) and `b` (share 1)."""
    return tuple(x + (y - x) * share for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def scale(colour: Colour, factor: float) -> Colour:
    """A darker (below 1) or lighter (above 1) colour."""
    return tuple(min(255.0, x * factor) for x in colour)  # type: ignore[return-value]


def gradient(width: int, height: int, stops: Sequence[tuple[float, Colour]]) -> Image.Image:
    """A vertical gradient through `stops` (place from 0 at the top to 1, colour)."""
    places = [place for place, _ in stops]
    y = np.linspace(0.0, 1.0, height)
    column = np.stack([np.interp(y, places, [c[i] for _, c in stops]) for i in range(3)], axis=-1)
    pixels = np.broadcast_to((column + 0.5).clip(0, 255).astype(np.uint8)[:, None], (height, width, 3))
    return Image.fromarray(np.ascontiguousarray(pixels))


class Pen:
    """Draws in a frame whose origin is the foot of the subject and whose unit is its height."""

    def __init__(
        self, image: Image.Image, origin: Point, unit: float, tint: Colour = (1.0, 1.0, 1.0), light: int = 1
    ) -> None:
        self.draw = ImageDraw.Draw(image, "RGBA")
        self.origin = origin
        self.unit = unit
        self.tint = tint
        self.light = light

    def _ink(self, colour: Colour, alpha: int, glow: bool) -> tuple[int, int, int, int]:
        tint = (1.0, 1.0, 1.0) if glow else self.tint
        r, g, b = (int(min(255.0, max(0.0, c * t))) for c, t in zip(colour, tint, strict=True))
        return r, g, b, alpha

    def _at(self, x: float, y: float) -> Point:
        return self.origin[0] + x * self.unit, self.origin[1] - y * self.unit

    def poly(self, points: Sequence[Point], colour: Colour, alpha: int = 255, glow: bool = False) -> None:
        """Fill a polygon."""
        self.draw.polygon([self._at(x, y) for x, y in points], fill=self._ink(colour, alpha, glow))

    def rect(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, alpha: int = 255, glow: bool = False
    ) -> None:
        """Fill an upright rectangle, whichever corner comes first."""
        (left, bottom), (right, top) = self._at(min(x0, x1), min(y0, y1)), self._at(max(x0, x1), max(y0, y1))
        self.draw.rectangle((left, top, max(left, right), max(top, bottom)), fill=self._ink(colour, alpha, glow))

    def disc(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: int = 255, glow: bool = False
    ) -> None:
        """Fill an ellipse."""
        (left, bottom), (right, top) = self._at(x - rx, y - ry), self._at(x + rx, y + ry)
        self.draw.ellipse((left, top, right, bottom), fill=self._ink(colour, alpha, glow))

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a line with round joints; `width` in units."""
        pixels = max(1, round(width * self.unit))
        self.draw.line([self._at(x, y) for x, y in points], fill=self._ink(colour, 255, False), width=pixels)
        for x, y in points:
            self.disc(x, y, width / 2, width / 2, colour)
