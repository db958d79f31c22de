"""Styles that drawn scenes are changed to, and how much of each a picture has. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

LEVEL = 40  # between two values of a colour in a mosaic
BLOCK = 8  # pixels of a mosaic's side: a cell of the latents
PAPER, INK = (247, 242, 230), (34, 32, 40)


def ink(picture: np.ndarray) -> np.ndarray:
    """Washes of ink on paper: five greys, with darker outlines."""
    values = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(0.7)), np.float32)
    grey = values @ np.array([0.299, 0.587, 0.114], np.float32)
    wash = np.round(np.interp(grey, (25, 215), (1, 0)) * 4) / 4
    steps = np.sum([np.abs(np.gradient(values, axis=axis)).max(axis=2) for axis in (0, 1)], axis=0)
    dark = np.clip(0.85 * wash + 0.5 * np.clip((steps - 12) / 40, 0, 1), 0, 1)[..., None]
    mixed: np.ndarray = np.array(PAPER) * (1 - dark) + np.array(INK) * dark + 0.5
    return mixed.astype(np.uint8)


def autumn(picture: np.ndarray) -> np.ndarray:
    """Green becomes orange and brown, blue becomes the colour of sand, purple becomes crimson."""
    hsv = np.asarray(Image.fromarray(picture).convert("HSV"), np.float32)
    hue, saturation, value = (hsv[..., i] for i in range(3))
    new = np.interp(hue, (0, 30, 45, 90, 125, 190, 215, 240, 255), (2, 26, 22, 16, 22, 24, 10, 1, 2))
    scale = np.interp(hue, (0, 30, 60, 100, 125, 185, 215, 255), (1, 1, 1.1, 1.1, 0.6, 0.6, 0.8, 1))
    changed = np.stack([new, np.minimum(saturation * scale, 255), value], axis=-1)
    return np.asarray(Image.fromarray(changed.astype(np.uint8), "HSV").convert("RGB"))


def pixel(picture: np.ndarray) -> np.ndarray:
    """Squares of one colour each."""
    height, width = picture.shape[:2]
    cells = picture.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).swapaxes(1, 2)
    squares = np.median(cells.reshape(*cells.shape[:2], -1, 3), axis=2)
    flat = np.asarray(Image.fromarray(squares.astype(np.uint8)).filter(ImageFilter.BoxBlur(1)), np.float32)
    strong = (np.round((squares + 0.5 * (squares - flat)) / LEVEL) * LEVEL).clip(0, 255)
    return strong.astype(np.uint8).repeat(BLOCK, 0).repeat(BLOCK, 1)


def of_ink(picture: np.ndarray) -> float:
    """The share of grey and paper-coloured pixels."""
    values = picture.astype(np.int16)
    return float((values.max(axis=2) - values.min(axis=2) < 40).mean())


def of_autumn(picture: np.ndarray) -> float:
    """The share of pixels that are neither green nor blue: with at least as much red as both."""
    values = picture.astype(np.int16)
    return float((values[..., 0] + 4 >= values[..., 1:].max(axis=2)).mean())


def of_pixel(picture: np.ndarray) -> float:
    """The share of all changes from pixel to pixel that lies between two squares of the grid."""
    values = picture.astype(np.float32)
    between, all_ = 0.0, 0.0
    for axis in (0, 1):
        change = np.abs(np.diff(values, axis=axis)).sum(axis=(2, 1 - axis))
        between += float(change[BLOCK - 1 :: BLOCK].sum())
        all_ += float(change.sum())
    return between / max(all_, 1e-6)


@dataclass(frozen=True)
class Style:
    """``measure`` rises from 0 to 1 with the style."""

    restyle: Callable[[np.ndarray], np.ndarray]
    measure: Callable[[np.ndarray], float]


STYLES = {"ink": Style(ink, of_ink), "autumn": Style(autumn, of_autumn), "pixel": Style(pixel, of_pixel)}
