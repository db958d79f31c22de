"""Paints a scene: sky, backdrop, ground, subject, weather; the same bytes for the same scene, always."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from training import backdrops, subjects
from training.pen import OVERSAMPLE, Pen, gradient, mix, scale
from training.scene import Scene

EARTH: dict[str, tuple[float, float, float]] = {
    "mountains": (60, 128, 72),
    "city": (100, 114, 132),
    "forest": (48, 108, 60),
    "sea": (96, 84, 98),
    "desert": (214, 150, 82),
    "snow": (190, 206, 238),
}


def _subject_height(scene: Scene, width: int, height: int) -> float:
    return scene.zoom * min(0.60 * height, 0.70 * width)


def _paint_sky(image: Image.Image, scene: Scene, mood: backdrops.Mood, rng: np.random.Generator, horizon: float) -> int:
    """Draw what is above the horizon; returns the side from which light comes."""
    unit = (image.width * image.height) ** 0.5
    pixel = image.width // scene.size[0]
    light = 1 if rng.random() < 0.5 else -1
    if scene.sky == "night":
        backdrops.draw_stars(image, rng, horizon, pixel)
    x = image.width * (0.5 + light * float(rng.uniform(0.18, 0.36)))
    y = horizon * float(rng.uniform(0.50, 0.72) if scene.sky in ("sunset", "dawn") else rng.uniform(0.18, 0.42))
    r = unit * float(rng.uniform(0.055, 0.08)) * (1.25 if scene.sky == "sunset" else 1.0) * scene.zoom**0.3
    if scene.body != "none":
        backdrops.draw_body(image, scene.body, scene.sky, x, y, r)
    backdrops.draw_clouds(image, rng, mood, scene.clouds, horizon, unit)
    return light


def _paint_footing(pen: Pen, scene: Scene, mood: backdrops.Mood) -> None:
    """What the subject stands on or swims in."""
    near, deep = mood.water
    if scene.subject == "boat" or (scene.backdrop == "sea" and scene.subject == "torii"):
        if scene.backdrop != "sea":
            pen.disc(0, -0.03, 1.25, 0.17, mix(near, deep, 0.25), glow=True)
            pen.disc(0, -0.05, 1.12, 0.13, mix(near, deep, 0.5), glow=True)
        pen.disc(0, -0.02, 0.62, 0.055, mix(near, (255, 255, 255), 0.3), glow=True)
        return
    if scene.subject == "balloon":
        return
    low = EARTH[scene.backdrop]
    if scene.backdrop == "sea":
        pen.disc(0, -0.06, 0.82, 0.13, low)
        pen.disc(0, -0.02, 0.76, 0.10, (104, 168, 92))
    else:
        pen.disc(0, -0.02, 0.66, 0.07, scale(low, 0.86))


def _paint_weather(image: Image.Image, scene: Scene, rng: np.random.Generator) -> None:
    if scene.weather == "clear":
        return
    draw = ImageDraw.Draw(image, "RGBA")
    petals = scene.weather == "petals"
    for _ in range(int(rng.integers(14, 20))):
        x, y = float(rng.uniform(0, image.width)), float(rng.uniform(0, image.height))
        r = float(rng.uniform(1.5, 2.4)) * (image.width // scene.size[0])
        flat = float(rng.uniform(0.55, 0.8)) if petals else 1.0
        inner = (255, 170, 206, 235) if petals else (250, 252, 255, 230)
        draw.ellipse((x - r, y - r * flat, x + r, y + r * flat), fill=inner)


def paint(scene: Scene, times: int = 1) -> np.ndarray:
    """Paint `scene`, `times` as large, as an array of shape (height, width, 3), uint8."""
    rng = np.random.default_rng([scene.seed, 23])
    width, height = (side * OVERSAMPLE * times for side in scene.size)
    mood = backdrops.MOODS[scene.sky][int(rng.integers(len(backdrops.MOODS[scene.sky])))]
    horizon = height * float(rng.uniform(0.60, 0.68))
    top, mid, low = mood.stops
    image = gradient(width, height, ((0.0, top), (0.55 * horizon / height, mid), (horizon / height, low), (1.0, low)))
    light = _paint_sky(image, scene, mood, rng, horizon)
    unit = (width * height) ** 0.5 * scene.zoom**0.35
    pen = Pen(image, (0, 0), 1.0, mood.tint, light)
    backdrops.DRAW[scene.backdrop](backdrops.Stage(pen, rng, mood, scene.sky, horizon, unit, width, height))
    size = _subject_height(scene, width, height)
    x = width * (0.5 + float(rng.uniform(-0.14, 0.14)))
    foot = min(horizon + (height - horizon) * float(rng.uniform(0.38, 0.62)) * scene.zoom**0.8, height * 0.97)
    if scene.subject == "balloon":
        foot = max(size * 1.06, horizon * float(rng.uniform(0.78, 0.98)))
    pen = Pen(image, (x, foot), size, mix(mood.tint, (1.0, 1.0, 1.0), 0.18), light)
    _paint_footing(pen, scene, mood)
    lit = scene.sky in ("night", "sunset")
    subjects.DRAW[scene.subject](pen, subjects.INKS.get(scene.colour, (255, 255, 255)), rng, lit)
    _paint_weather(image, scene, rng)
    return np.array(image.reduce(OVERSAMPLE))
