"""Measures of a picture that need no model: colour, contrast, sharpness, edges; and how far pictures are apart. Pure.

colour     Hasler and Süsstrunk, "Measuring colorfulness in natural images" (2003): 0 is grey, 100 very colourful
contrast   standard deviation of the luma, 0 to 1
sharpness  standard deviation of the luma's Laplacian (4 neighbours)
edges      the share of pixels where the luma changes by more than ``EDGE`` from one pixel to the next
distance   root of the mean squared difference of two pictures, reduced to ``SIDE`` pixels a side, 0 to 1
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
EDGE = 0.1
SIDE = 16  # what is alike at this size looks alike; single pixels and noise do not count
MEASURES = ("colour", "contrast", "sharpness", "edges")
_LUMA = np.array([0.299, 0.587, 0.114])


def measures(pixels: Pixels) -> dict[str, float]:
    """The ``MEASURES`` of a picture (height, width, 3)."""
    luma = pixels @ _LUMA / 255
    across, down = np.abs(np.diff(luma, axis=1))[:-1], np.abs(np.diff(luma, axis=0))[:, :-1]
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    return {
        "colour": _colour(pixels.astype(np.float64)),
        "contrast": float(luma.std()),
        "sharpness": float(laplacian.std()) if laplacian.size else 0.0,
        "edges": float((np.maximum(across, down) > EDGE).mean()) if across.size else 0.0,
    }


def _colour(pixels: NDArray[np.float64]) -> float:
    red_green = pixels[..., 0] - pixels[..., 1]
    yellow_blue = (pixels[..., 0] + pixels[..., 1]) / 2 - pixels[..., 2]
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def reduced(pixels: Pixels) -> NDArray[np.float64]:
    """A picture at ``SIDE`` pixels a side, as one vector of 0 to 1."""
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64).ravel() / 255


def diversity(group: Sequence[NDArray[np.float64]]) -> list[float]:
    """The mean distance of each of some ``reduced`` pictures to the others; 0 for a single one."""
    points = np.array(group)
    rows = (((points - point) ** 2).mean(axis=1) for point in points)
    return [float(np.sqrt(row).sum() / max(1, len(points) - 1)) for row in rows]
