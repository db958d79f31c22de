"""Preprocessors of control pictures that need no weights: edges, lines, tones. Pure: pixels of the same size.

A ControlNet is trained on what one of them makes of a picture; ``none`` is for pictures that are ready.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (height, width, 3), sRGB
INSTALL = "it needs OpenCV: pip install 'sdbatch[control]'"
WEAK, STRONG = 100, 200  # thresholds of Canny's gradients, as ControlNets are trained with
NEAR = 512  # pixels of the shorter side at which the widths below are meant
LINE = 6.0  # deviation of the blur that a line is darker than
STROKE = (0.5, 5.0)  # of the two blurs of a scribble
CONTRAST = 16  # levels between a line and what is around it
CELLS = 8  # squares of colour along the shorter side
COARSE = 4  # times smaller: the details that ``tile`` takes away


def cv() -> ModuleType:
    """OpenCV. Raises ImportError, with how to install it."""
    try:
        import cv2
    except ImportError as e:
        raise ImportError(INSTALL) from e
    return cv2


def none(pixels: Pixels) -> Pixels:
    """The picture as it is."""
    return pixels


def invert(pixels: Pixels) -> Pixels:
    """Light becomes dark: for dark lines on white, where a ControlNet wants white lines on black."""
    return 255 - pixels


def threshold(pixels: Pixels) -> Pixels:
    """White where the picture is brighter than middle grey, else black."""
    return _shown(np.where(_grey(pixels) > 127, 255, 0))


def canny(pixels: Pixels) -> Pixels:
    """Edges, one pixel wide, white on black (Canny 1986)."""
    return _shown(cv().Canny(pixels, WEAK, STRONG))


def lineart(pixels: Pixels) -> Pixels:
    """What is darker than its surroundings, white on black: the lines of a drawing, with their strength."""
    grey = _grey(pixels)
    darker = np.clip(_blurred(grey, LINE, pixels) - grey, 0, None)
    full = max(CONTRAST, float(np.percentile(darker, 98)))
    return _shown(np.rint(np.clip(darker / full, 0, 1) * 255))


def scribble(pixels: Pixels) -> Pixels:
    """Thick strokes, white on black: where a narrow and a wide blur differ (Winnemöller 2011)."""
    grey = _grey(pixels)
    narrow, wide = (_blurred(grey, width, pixels) for width in STROKE)
    return _shown(np.where(wide - narrow > CONTRAST / 2, 255, 0))


def tile(pixels: Pixels) -> Pixels:
    """Without the finest details, which the ControlNet adds again."""
    height, width = pixels.shape[:2]
    return _resized(pixels, (max(1, width // COARSE), max(1, height // COARSE)), "INTER_LINEAR")


def color(pixels: Pixels) -> Pixels:
    """A mosaic of mean colours."""
    height, width = pixels.shape[:2]
    cell = max(1, min(height, width) // CELLS)
    return _resized(pixels, (max(1, width // cell), max(1, height // cell)), "INTER_NEAREST")


PREPROCESSORS: dict[str, Callable[[Pixels], Pixels]] = {
    f.__name__: f for f in (none, canny, scribble, lineart, tile, threshold, color, invert)
}
WITHOUT_OPENCV = ("none", "threshold", "invert")


def _grey(pixels: Pixels) -> NDArray[np.float32]:
    """Luma (BT.601), in whole levels: equal on every machine."""
    r, g, b = (pixels[..., k].astype(np.int32) for k in range(3))
    return ((299 * r + 587 * g + 114 * b + 500) // 1000).astype(np.float32)


def _blurred(grey: NDArray[np.float32], deviation: float, pixels: Pixels) -> NDArray[np.float32]:
    """A Gaussian blur as wide as ``deviation`` is on a picture of ``NEAR`` pixels. On whole levels, in OpenCV's
    fixed-point arithmetic, which gives the same bits on every processor."""
    wide = max(0.3, deviation * min(pixels.shape[:2]) / NEAR)
    out: NDArray[np.float32] = cv().GaussianBlur(grey.astype(np.uint8), (0, 0), wide).astype(np.float32)
    return out


def _resized(pixels: Pixels, size: tuple[int, int], back: str) -> Pixels:
    """Averaged to ``size``, and back to its own with OpenCV's interpolation ``back``."""
    cv2, (height, width) = cv(), pixels.shape[:2]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    out: Pixels = cv2.resize(small, (width, height), interpolation=getattr(cv2, back))
    return out


def _shown(levels: NDArray[np.generic]) -> Pixels:
    """One channel (height, width) as three."""
    return np.repeat(levels.astype(np.uint8)[..., None], 3, axis=2)
