"""Skies, backdrops and grounds: everything behind the subject, drawn in layers from far to near."""

# ruff: noqa: PLR0917
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from training.pen import Colour, Pen, mix, scale


@dataclass(frozen=True)
class Mood:
    """The colours of a time of day: three stops of sky, haze, tint of lit things, light of clouds and water."""

    stops: tuple[Colour, Colour, Colour]
    haze: Colour
    tint: Colour
    cloud: Colour
    cloud_shade: Colour
    water: tuple[Colour, Colour]


MOODS: dict[str, tuple[Mood, ...]] = {
    "day": (
        Mood(
            ((36, 118, 226), (96, 176, 246), (206, 236, 252)),
            (176, 216, 244),
            (1.0, 1.0, 1.0),
            (255, 255, 255),
            (196, 216, 244),
            ((120, 196, 236), (28, 104, 196)),
        ),
        Mood(
            ((22, 142, 214), (88, 196, 232), (222, 246, 240)),
            (178, 222, 232),
            (1.0, 1.0, 0.97),
            (255, 255, 250),
            (190, 220, 236),
            ((124, 212, 226), (16, 124, 178)),
        ),
    ),
    "sunset": (
        Mood(
            ((84, 52, 136), (232, 92, 92), (255, 204, 104)),
            (240, 142, 110),
            (0.95, 0.76, 0.68),
            (255, 190, 140),
            (206, 92, 118),
            ((252, 168, 104), (112, 58, 118)),
        ),
        Mood(
            ((116, 48, 112), (246, 116, 66), (255, 214, 96)),
            (246, 152, 96),
            (0.96, 0.78, 0.66),
            (255, 198, 128),
            (214, 96, 92),
            ((255, 182, 96), (124, 62, 96)),
        ),
    ),
    "night": (
        Mood(
            ((8, 12, 46), (22, 34, 96), (56, 78, 152)),
            (46, 66, 134),
            (0.58, 0.62, 0.86),
            (70, 86, 150),
            (44, 58, 116),
            ((48, 72, 148), (10, 18, 58)),
        ),
        Mood(
            ((14, 8, 52), (40, 30, 104), (80, 74, 156)),
            (62, 60, 136),
            (0.60, 0.60, 0.86),
            (84, 82, 154),
            (54, 52, 118),
            ((64, 66, 150), (16, 14, 62)),
        ),
    ),
    "dawn": (
        Mood(
            ((134, 158, 226), (236, 182, 214), (255, 234, 208)),
            (232, 198, 216),
            (0.98, 0.90, 0.94),
            (255, 240, 240),
            (226, 178, 206),
            ((244, 206, 214), (132, 152, 208)),
        ),
        Mood(
            ((128, 188, 222), (222, 194, 228), (255, 226, 214)),
            (222, 204, 224),
            (0.96, 0.91, 0.96),
            (255, 242, 246),
            (214, 184, 218),
            ((234, 208, 222), (124, 166, 202)),
        ),
    ),
}


def glow(image: Image.Image, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
    """Add a soft round light (no effect outside `radius`)."""
    r = int(radius)
    box = (max(0, int(x) - r), max(0, int(y) - r), min(image.width, int(x) + r), min(image.height, int(y) + r))
    if box[2] - box[0] < 2 or box[3] - box[1] < 2:
        return
    gy = (np.arange(box[1], box[3]) - y)[:, None] / radius
    gx = (np.arange(box[0], box[2]) - x)[None] / radius
    fall = np.clip(1.0 - np.sqrt(gx * gx + gy * gy), 0.0, 1.0) ** 2 * (255 * strength)
    mask = Image.fromarray(fall.astype(np.uint8))
    image.paste(tuple(int(c) for c in colour), box[:2], mask)


def _smooth(rng: np.random.Generator, x: np.ndarray, period: float) -> np.ndarray:
    """A smooth random line between 0 and 1 over pixel columns `x`."""
    at = x / period + float(rng.uniform(0, 8))
    knots = rng.random(int(at.max()) + 3)
    i = at.astype(int)
    f = (1 - np.cos((at - i) * np.pi)) / 2
    return knots[i] * (1 - f) + knots[i + 1] * f


def _fill(pen: Pen, x: np.ndarray, y: np.ndarray, bottom: float, colour: Colour) -> None:
    points = [*zip(x.tolist(), y.tolist(), strict=True), (float(x[-1]), bottom), (float(x[0]), bottom)]
    pen.draw.polygon(points, fill=pen._ink(colour, 255, False))


def draw_body(image: Image.Image, body: str, sky: str, x: float, y: float, r: float) -> None:
    """Draw the sun or the moon with its glow."""
    lights: dict[str, Colour] = {"day": (255, 250, 220), "sunset": (255, 232, 150), "dawn": (255, 246, 226)}
    faces: dict[str, Colour] = {"day": (255, 252, 226), "sunset": (255, 240, 176), "dawn": (255, 250, 236)}
    warm, face = lights.get(sky, (214, 226, 255)), faces.get(sky, (250, 246, 214))
    glow(image, x, y, r * (4.2 if body == "sun" else 3.2), warm, 0.55 if body == "sun" else 0.35)
    ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(c) for c in face))


def draw_stars(image: Image.Image, rng: np.random.Generator, horizon: float, step: float) -> None:
    """Scatter a few soft stars over the upper sky."""
    draw = ImageDraw.Draw(image, "RGBA")
    count = int(rng.integers(12, 20))
    for _ in range(count):
        x, y = float(rng.uniform(0, image.width)), float(rng.uniform(0.02, 0.72) * horizon)
        r = float(rng.uniform(0.8, 1.5)) * step
        draw.ellipse((x - r * 2, y - r * 2, x + r * 2, y + r * 2), fill=(150, 170, 255, 60))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(240, 244, 255, 255))


def draw_clouds(
    image: Image.Image, rng: np.random.Generator, mood: Mood, amount: int, horizon: float, unit: float
) -> None:
    """Draw cumulus clouds with flat feet; `amount` is 0, 1 or 2."""
    draw = ImageDraw.Draw(image)
    for _ in range(amount * 2 - (1 if amount == 1 else 0)):
        x, y = float(rng.uniform(0, image.width)), float(rng.uniform(0.15, 0.78)) * horizon
        w = float(rng.uniform(0.22, 0.42)) * unit
        lumps = [(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.22, 0.42))) for _ in range(5)] + [(-0.1, 0.46)]
        for colour, lift in ((mood.cloud_shade, 0.0), (mood.cloud, 0.07)):
            for dx, r in lumps:
                cx, rr = x + dx * w, r * w * (1 - abs(dx) * 0.6) * (1 - lift)
                top = y - rr * 0.8 - lift * w
                draw.pieslice(
                    (cx - rr, top - rr * 0.35, cx + rr, top + rr * 1.5), 180, 360, fill=tuple(int(c) for c in colour)
                )
            draw.rounded_rectangle(
                (x - 0.62 * w, y - 0.16 * w - lift * w, x + 0.62 * w, y - 0.01 * w - lift * w * 0.5),
                radius=0.07 * w,
                fill=tuple(int(c) for c in colour),
            )


@dataclass
class Stage:
    """What a backdrop needs to know: the pen in pixels, its mood, the horizon, and the size of things."""

    pen: Pen
    rng: np.random.Generator
    mood: Mood
    sky: str
    horizon: float
    unit: float
    width: int
    height: int

    def columns(self, step: float = 6.0) -> np.ndarray:
        """Columns of pixels over which a line of hills is drawn."""
        return np.arange(-step, self.width + 2 * step, step)

    def far(self, colour: Colour, share: float) -> Colour:
        """A colour seen through haze: untinted, so that it can be used with the tinted pen."""
        haze = tuple(h / max(t, 0.3) for h, t in zip(self.mood.haze, self.pen.tint, strict=True))
        return mix(colour, haze, share)  # type: ignore[arg-type]


def mountains(s: Stage) -> None:
    """One great peak with a cap of snow, ridges at its foot, a meadow in front."""
    for k, (share, height) in enumerate(((0.45, 0.50), (0.22, 0.34))):
        count = 1 if k == 0 else 3
        for i in range(count):
            x = float(s.rng.uniform(0.15, 0.85)) * s.width if k == 0 else (i + float(s.rng.uniform(0, 1))) * s.width / 3
            h = s.unit * height * float(s.rng.uniform(0.85, 1.15))
            w = h * float(s.rng.uniform(1.15, 1.45))
            _peak(s, x, h, w, s.far((92, 110, 168), share), s.far((250, 252, 255), share * 0.3))
    _ground(s, (110, 186, 92), (64, 142, 76))


def _peak(s: Stage, x: float, h: float, w: float, rock: Colour, snow: Colour) -> None:
    d, y, ink = -s.pen.light, s.horizon + 0.03 * s.unit, s.pen._ink
    top = (x, y - h)
    s.pen.draw.polygon([(x - w, y), (x + w, y), top], fill=ink(rock, 255, False))
    s.pen.draw.polygon([(x + d * w, y), (x + d * w * 0.2, y), top], fill=ink(scale(rock, 0.84), 255, False))
    if h > s.unit * 0.3:
        c = 0.36
        edge = [
            (x - w * c, y - h * (1 - c)),
            (x - w * c * 0.45, y - h * 0.74),
            (x, y - h * 0.62),
            (x + w * c * 0.45, y - h * 0.74),
            (x + w * c, y - h * (1 - c)),
        ]
        s.pen.draw.polygon([top, *edge], fill=ink(snow, 255, False))
        shade = [top, (x, y - h * 0.62), *(edge[3:] if d > 0 else edge[1::-1])]
        s.pen.draw.polygon(shade, fill=ink(mix(snow, (150, 160, 210), 0.4), 255, False))


def city(s: Stage) -> None:
    """Two rows of towers; their windows are lit when it is dark."""
    lit = s.sky in ("night", "sunset")
    for share, height, wide in ((0.55, 0.42, 0.15), (0.22, 0.28, 0.20)):
        x = -float(s.rng.uniform(0, 0.1)) * s.unit
        while x < s.width:
            w = s.unit * wide * float(s.rng.uniform(0.75, 1.3))
            h = s.unit * height * float(s.rng.uniform(0.55, 1.15))
            wall = s.far(mix((96, 108, 150), (140, 118, 150), float(s.rng.random())), share)
            s.pen.draw.rectangle((x, s.horizon - h, x + w, s.horizon + 4), fill=s.pen._ink(wall, 255, False))
            if share < 0.5:
                _windows(s, x, w, h, (255, 214, 110) if lit else s.far((226, 240, 255), 0.2), lit)
            x += w * float(s.rng.uniform(1.0, 1.15))
    _ground(s, (132, 150, 160), (96, 112, 132))


def _windows(s: Stage, x: float, w: float, h: float, colour: Colour, lit: bool) -> None:
    size = s.unit * 0.028
    n = max(1, int(w / (size * 2.4)))
    gap = w / n
    for row in range(int((h - size) / (size * 2.4))):
        for i in range(n):
            if s.rng.random() < 0.6:
                cx, cy = x + (i + 0.5) * gap, s.horizon - h + size * (1.0 + 2.4 * row)
                s.pen.draw.rectangle(
                    (cx - size / 2, cy, cx + size / 2, cy + size * 1.2), fill=s.pen._ink(colour, 255, lit)
                )


def forest(s: Stage) -> None:
    """Two rows of round tree tops, the nearer one darker and fuller."""
    for share, height, colour in ((0.40, 0.30, (64, 140, 96)), (0.06, 0.17, (34, 104, 70))):
        x = -0.05 * s.unit
        ink = s.far(colour, share)
        s.pen.draw.rectangle(
            (0, s.horizon - s.unit * height * 0.55, s.width, s.horizon + 4), fill=s.pen._ink(ink, 255, False)
        )
        while x < s.width + 0.1 * s.unit:
            r = s.unit * float(s.rng.uniform(0.08, 0.13))
            y = s.horizon - s.unit * height * float(s.rng.uniform(0.5, 0.9))
            s.pen.draw.ellipse((x - r, y - r * 1.1, x + r, y + r * 1.1), fill=s.pen._ink(ink, 255, False))
            hx = x + s.pen.light * r * 0.25
            s.pen.draw.ellipse(
                (hx - r * 0.6, y - r * 0.85, hx + r * 0.6, y + r * 0.2), fill=s.pen._ink(scale(ink, 1.14), 255, False)
            )
            x += r * 1.35
    _ground(s, (104, 168, 78), (48, 116, 62))


def sea(s: Stage) -> None:
    """Open water to the horizon, with a few long lights on it."""
    _water(s, s.horizon)


def _water(s: Stage, top: float) -> None:
    near, deep = s.mood.water
    t = np.linspace(0, 1, max(2, int(s.height - top)))
    for i in range(0, len(t), 3):
        colour = mix(near, deep, float(t[i]) ** 0.7)
        s.pen.draw.rectangle((0, top + i, s.width, top + i + 3), fill=s.pen._ink(colour, 255, True))
    for k in range(5):
        y = top + (0.08 + 0.19 * k) * (s.height - top)
        w = s.unit * (0.16 + 0.07 * k) * float(s.rng.uniform(0.7, 1.3))
        x = float(s.rng.uniform(0, s.width))
        h = s.unit * (0.008 + 0.004 * k)
        s.pen.draw.ellipse((x - w, y - h, x + w, y + h), fill=s.pen._ink(mix(near, (255, 255, 255), 0.35), 190, True))


def desert(s: Stage) -> None:
    """Dunes, each with a lit and a shaded flank, and sand in front."""
    for share, height in ((0.42, 0.26), (0.18, 0.15)):
        sand = s.far((236, 182, 98), share)
        for _ in range(3):
            x = float(s.rng.uniform(0, 1)) * s.width
            h = s.unit * height * float(s.rng.uniform(0.7, 1.1))
            w = h * float(s.rng.uniform(2.6, 3.6))
            _dune(s, x, h, w, sand)
    _ground(s, (246, 204, 122), (222, 158, 84))


def _dune(s: Stage, x: float, h: float, w: float, sand: Colour) -> None:
    d, y = -s.pen.light, s.horizon + 0.02 * s.unit
    t = np.linspace(0, 1, 12)
    up = [(x - d * w * (1 - float(v)), y - h * float(np.sin(v * np.pi / 2)) ** 2) for v in t]
    down = [(x + d * w * 0.8 * float(v), y - h * float(np.cos(v * np.pi / 2)) ** 2) for v in t]
    s.pen.draw.polygon([*up, *down], fill=s.pen._ink(sand, 255, False))
    s.pen.draw.polygon(
        [*down, (x - d * w * 0.15, y), (x + d * w * 0.04, y - h * 0.5)],
        fill=s.pen._ink(mix(scale(sand, 0.74), (130, 80, 120), 0.15), 255, False),
    )


def snow(s: Stage) -> None:
    """Round white hills with blue shade, and snow in front."""
    x = s.columns()
    for share, height, period in ((0.42, 0.34, 0.50), (0.16, 0.18, 0.62)):
        white = s.far((236, 242, 252), share * 0.8)
        line = s.horizon - s.unit * height * (0.35 + 0.65 * _smooth(s.rng, x + 20, period * s.unit))
        _fill(s.pen, x, line, s.horizon + 6, mix(scale(white, 0.88), (150, 170, 226), 0.35))
        shift = s.pen.light * 0.07 * s.unit
        lit = np.maximum(np.interp(x + shift, x, line) + 0.02 * s.unit, line)
        _fill(s.pen, x, lit, s.horizon + 6, white)
    _ground(s, (244, 248, 255), (198, 214, 242))


def _ground(s: Stage, top: Colour, low: Colour) -> None:
    """A gently curved ground with one lighter and one darker band."""
    x = s.columns()
    wave = _smooth(s.rng, x + 20, 0.7 * s.unit)
    depth = s.height - s.horizon
    _fill(s.pen, x, s.horizon - 0.02 * s.unit * wave, s.height, s.far(top, 0.18))
    _fill(s.pen, x, s.horizon + depth * (0.22 + 0.14 * wave), s.height, mix(top, low, 0.45))
    _fill(s.pen, x, s.horizon + depth * (0.62 + 0.16 * wave[::-1]), s.height, low)


DRAW = {"mountains": mountains, "city": city, "forest": forest, "sea": sea, "desert": desert, "snow": snow}
