"""The sky: gradient, stars, sun or moon, clouds; the origin of the world is the middle of the horizon."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.second.light import Mood
from training.second.pen import Colour, Pen, mix, scale


@dataclass
class World:
    """What everything that is drawn needs to know: the pen of the world, the light, and streams of chance."""

    pen: Pen
    mood: Mood
    sky: str
    seed: int
    weather: str

    @property
    def lit(self) -> bool:
        """Whether lamps are on."""
        return self.sky in ("night", "sunset")

    def chance(self, tag: int) -> np.random.Generator:
        """A stream of chance of its own, so that detail that is left out changes nothing else."""
        return np.random.default_rng([self.seed, 23, tag])

    def far(self, colour: Colour, share: float) -> Colour:
        """A colour seen through haze, ready for the tinted pen."""
        share = min(1.0, share + (0.35 if self.weather == "fog" else 0.0))
        r, g, b = (h / max(t, 0.3) for h, t in zip(self.mood.haze, self.pen.tint, strict=True))
        return mix(colour, (r, g, b), share)


def draw_sky(w: World) -> None:
    """Fill the picture with the gradient of the sky."""
    left, _, right, _ = w.pen.view()
    heights = (1.05, 0.62, 0.26, 0.0)
    w.pen.rect(left, 1.05, right, 9, w.mood.stops[0], glow=True)
    for (y1, y0), (top, low) in zip(pairwise(heights), pairwise(w.mood.stops), strict=True):
        w.pen.wash(left, y0, right, y1, top, low, glow=True)
    w.pen.rect(left, -9, right, 0, w.mood.stops[3], glow=True)


def draw_stars(w: World) -> None:
    """A band of small stars and a few large ones."""
    rng = w.chance(1)
    for x, y, r in zip(rng.uniform(-1.3, 1.3, 90), rng.uniform(0.1, 1.4, 90), rng.random(90) ** 4, strict=True):
        size = 0.0026 + 0.0046 * float(r)
        if w.pen.sees(x - size, y - size, x + size, y + size):
            if r > 0.3:
                w.pen.disc(x, y, size * 2.2, size * 2.2, (170, 186, 255), 50, glow=True)
            w.pen.disc(x, y, size, size, (246, 246, 255), int(120 + 135 * min(1.0, y + 0.2 + r)), glow=True)


def draw_body(w: World, body: str, x: float, y: float) -> float:
    """Draw the sun or the moon; returns its radius."""
    r = {"sunset": 0.085, "night": 0.055}.get(w.sky, 0.05)
    for grow, alpha in ((1.9, 26), (1.45, 40), (1.18, 70)):
        w.pen.disc(x, y, r * grow, r * grow, w.mood.sun, alpha, glow=True)
    w.pen.disc(x, y, r, r, mix(w.mood.sun, (255, 255, 250), 0.5), glow=True)
    if body == "moon":
        for dx, dy, size in ((-0.3, 0.25, 0.26), (0.28, -0.12, 0.2), (-0.1, -0.45, 0.14), (0.35, 0.45, 0.1)):
            w.pen.disc(x + dx * r, y + dy * r, size * r, size * r, (214, 214, 226), 150, glow=True)
    return r


def _cloud(w: World, x: float, y: float, size: float, tag: int) -> None:
    rng = w.chance(tag)
    lumps = [(dx, float(rng.uniform(0.16, 0.30)) * (1.15 - abs(dx))) for dx in np.linspace(-0.75, 0.75, 7)]
    lumps += [(float(rng.uniform(-0.35, 0.35)), float(rng.uniform(0.30, 0.42))) for _ in range(2)]
    top, low = w.mood.cloud, w.mood.cloud_shade
    side = w.pen.light * 0.03
    for colour, lift, grow in ((low, 0.0, 1.0), (mix(low, top, 0.55), 0.025, 0.95), (top, 0.065, 0.86)):
        for dx, r in lumps:
            cx, radius = x + (dx + side * lift * 20) * size, r * size * grow
            w.pen.disc(cx, y + (lift + r * 0.62) * size, radius, radius * 0.86, colour, glow=True)
    w.pen.disc(x, y + 0.035 * size, 0.86 * size, 0.07 * size, mix(low, top, 0.3), glow=True)
    w.pen.disc(x + 0.1 * size, y + 0.0 * size, 0.72 * size, 0.04 * size, low, glow=True)


def draw_clouds(w: World, amount: int) -> None:
    """Cumulus with flat feet and lit tops, and thin stripes near the horizon; `amount` is 0, 1 or 2."""
    rng = w.chance(2)
    if w.weather == "rain":
        w.pen.wash(
            -3, 0.35, 3, 1.3, scale(w.mood.cloud_shade, 0.8), mix(w.mood.cloud_shade, w.mood.stops[2], 0.7), True
        )
    for _ in range(3 * amount):
        x, y = float(rng.uniform(-0.8, 0.8)), float(rng.uniform(0.05, 0.2))
        length, high = float(rng.uniform(0.12, 0.3)), float(rng.uniform(0.006, 0.012))
        w.pen.disc(x, y, length, high, w.mood.cloud, 150, glow=True)
    for i in range((0, 2, 4)[amount]):
        x = (float(rng.uniform(0.2, 0.8)) - 0.5 + (i % 2) - 0.5) * 0.9
        y, size = float(rng.uniform(0.22, 0.58)), float(rng.uniform(0.17, 0.36))
        _cloud(w, x, y, size * (0.55 + y), 30 + i)
