"""The light of a time of day: colours of sky, haze, clouds and water, and what is added to a finished picture."""

# ruff: noqa: PLR0917
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from training.second.pen import Colour


@dataclass(frozen=True)
class Mood:
    """Stops of the sky from the top to the horizon, haze, tint of lit things, clouds, water, and the sun's colour."""

    stops: tuple[Colour, Colour, Colour, Colour]
    haze: Colour
    tint: Colour
    cloud: Colour
    cloud_shade: Colour
    water: tuple[Colour, Colour]
    sun: Colour


MOODS: dict[str, tuple[Mood, ...]] = {
    "day": (
        Mood(
            ((20, 92, 210), (64, 150, 240), (140, 206, 252), (222, 244, 255)),
            (178, 218, 248),
            (1.0, 1.0, 1.0),
            (255, 255, 255),
            (176, 204, 242),
            ((128, 206, 240), (20, 92, 190)),
            (255, 252, 224),
        ),
        Mood(
            ((12, 122, 200), (60, 176, 228), (146, 220, 236), (232, 250, 240)),
            (182, 226, 234),
            (1.0, 1.0, 0.97),
            (255, 255, 250),
            (168, 210, 232),
            ((130, 220, 228), (10, 112, 170)),
            (255, 253, 230),
        ),
    ),
    "sunset": (
        Mood(
            ((60, 40, 124), (184, 70, 120), (250, 126, 84), (255, 214, 120)),
            (244, 142, 112),
            (0.98, 0.78, 0.70),
            (255, 196, 146),
            (196, 84, 120),
            ((255, 178, 108), (96, 52, 118)),
            (255, 226, 140),
        ),
        Mood(
            ((92, 38, 108), (222, 84, 88), (254, 150, 70), (255, 224, 120)),
            (248, 154, 98),
            (0.98, 0.80, 0.68),
            (255, 204, 132),
            (206, 88, 94),
            ((255, 190, 104), (112, 54, 92)),
            (255, 230, 130),
        ),
    ),
    "night": (
        Mood(
            ((6, 8, 36), (14, 24, 78), (30, 50, 120), (70, 98, 168)),
            (48, 68, 136),
            (0.52, 0.57, 0.84),
            (74, 92, 158),
            (40, 54, 112),
            ((54, 80, 156), (8, 14, 50)),
            (232, 238, 255),
        ),
        Mood(
            ((12, 6, 44), (28, 22, 88), (58, 48, 132), (104, 94, 172)),
            (64, 60, 138),
            (0.55, 0.56, 0.84),
            (88, 86, 160),
            (50, 48, 114),
            ((70, 70, 154), (14, 12, 56)),
            (240, 236, 255),
        ),
    ),
    "dawn": (
        Mood(
            ((104, 136, 220), (182, 172, 226), (244, 190, 210), (255, 236, 206)),
            (234, 200, 216),
            (0.99, 0.90, 0.93),
            (255, 242, 240),
            (220, 170, 204),
            ((248, 212, 216), (118, 142, 206)),
            (255, 246, 220),
        ),
        Mood(
            ((96, 170, 214), (168, 188, 226), (230, 196, 222), (255, 230, 210)),
            (224, 204, 222),
            (0.96, 0.91, 0.96),
            (255, 244, 246),
            (208, 178, 216),
            ((238, 212, 222), (108, 156, 200)),
            (255, 244, 226),
        ),
    ),
}


def _grid(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]


def add_glow(pixels: np.ndarray, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
    """Add a soft round light by screening, in place; `pixels` are floats of 0 to 255."""
    gx, gy = _grid(pixels.shape[1], pixels.shape[0])
    fall = np.exp(-((gx - x) ** 2 + (gy - y) ** 2) / (radius * radius)) * (strength / 255.0)
    pixels += (255.0 - pixels) * (fall[..., None] * np.array(colour, np.float32))


def bloom(picture: Image.Image, threshold: int, radius: float, strength: float) -> np.ndarray:
    """The picture as floats, with its lights spreading into the dark around them."""
    pixels = np.asarray(picture, np.float32)
    bright = np.clip(pixels - threshold, 0, None) * (255.0 / max(1, 255 - threshold))
    soft = Image.fromarray(bright.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return pixels + (255.0 - pixels) * (np.asarray(soft, np.float32) * (strength / 255.0))


def vignette(pixels: np.ndarray, strength: float = 0.10) -> None:
    """Darken the corners a little, in place."""
    gx, gy = _grid(pixels.shape[1], pixels.shape[0])
    u, v = gx / pixels.shape[1] - 0.5, gy / pixels.shape[0] - 0.5
    pixels *= (1.0 - strength * np.clip((u * u + v * v) * 4 - 0.5, 0, None))[..., None]
