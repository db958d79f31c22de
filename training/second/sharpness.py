"""Measures on pictures alone: sharpness of edges, and whether one picture shows the middle of another."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Luminance steps (of 255) that count as an edge, and how far one is followed.
STRONG = 18.0
REACH = 8


def luminance(picture: np.ndarray) -> np.ndarray:
    """Luminance (Rec. 601) as floats of 0 to 255."""
    return picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def gradient_energy(picture: np.ndarray) -> float:
    """The mean squared step between neighbouring pixels of the luminance."""
    grey = luminance(picture)
    return float(np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean())


def edge_width(picture: np.ndarray) -> float:
    """The median width of strong edges in pixels, over rows and columns; 1 is a step between two pixels.

    The width is the whole rise of an edge, as long as it goes the same way, divided by its steepest step.
    """
    grey = luminance(picture)
    widths = [w for lines in (grey, grey.T) for w in _widths(np.diff(lines, axis=1))]
    return float(np.median(widths)) if widths else float("nan")


def _widths(steps: np.ndarray) -> list[float]:
    size = np.abs(steps)
    padded = np.pad(size, ((0, 0), (1, 1)))
    peaks = (size >= padded[:, :-2]) & (size > padded[:, 2:]) & (size > STRONG)
    rows, columns = np.nonzero(peaks)
    sign, peak = np.sign(steps[rows, columns]), size[rows, columns]
    rise = peak.copy()
    for way in (-1, 1):
        going = np.ones(len(rows), bool)
        for far in range(1, REACH + 1):
            at = columns + way * far
            going &= (at >= 0) & (at < steps.shape[1])
            step = steps[rows, at.clip(0, steps.shape[1] - 1)] * sign
            going &= step > 0.05 * peak
            rise += np.where(going, step, 0.0)
    return list((rise / peak).tolist())


def nested(outer: np.ndarray, inner: np.ndarray, factor: float) -> float:
    """How well `inner` shows the middle of `outer` enlarged by `factor`: the correlation of the two, reduced (-1 to 1).

    Both are compared at a quarter of the size of the part that they share, so that new detail does not count.
    """
    height, width = outer.shape[:2]
    h, w = round(height / factor / 4), round(width / factor / 4)
    left, top = width / 2 * (1 - 1 / factor), height / 2 * (1 - 1 / factor)
    box = (left, top, width - left, height - top)
    a, b = (
        np.asarray(image.resize((w, h), Image.Resampling.BOX, box=part), np.float32).ravel()
        for image, part in ((Image.fromarray(outer), box), (Image.fromarray(inner), None))
    )
    return float(np.corrcoef(a, b)[0, 1])


def echo(outer: np.ndarray, inner: np.ndarray) -> float:
    """Whether two pictures have their edges in the same places (-1 to 1).

    Of a picture and its true enlargement about 0.1; where the subject contains itself, as a hall of mirrors does, more.
    """
    size = (32, 32)
    maps = []
    for picture in (outer, inner):
        grey = luminance(picture)
        edges = np.abs(np.diff(grey, axis=0))[:, 1:] + np.abs(np.diff(grey, axis=1))[1:]
        maps.append(np.asarray(Image.fromarray(edges).resize(size, Image.Resampling.BOX)).ravel())
    return float(np.corrcoef(maps[0], maps[1])[0, 1])
