"""Camera mathematics on stored pictures: one exact sub-pixel affine warp, what it covers, and colours. No torch.

A camera maps an output pixel to the source it shows: zoom about the centre, pan in fractions of the frame, roll
clockwise. All of it is one affine matrix, so the source is sampled once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdbatch.jobs import Camera

Pixels = NDArray[np.uint8]
Size = tuple[int, int]  # (width, height) in pixels
Affine = tuple[float, float, float, float, float, float]

GAIN = (0.5, 2.0)  # how far match_colours may stretch contrast
_CONES = np.array(  # linear sRGB to Oklab's cone responses (https://bottosson.github.io/posts/oklab)
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(  # cube roots of those to Oklab
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def affine(camera: Camera, source: Size, size: Size) -> Affine:
    """(a, b, c, d, e, f): the output point (x, y), in pixels from the corner, shows (ax + by + c, dx + ey + f)."""
    (sw, sh), (w, h) = source, size
    across, down = sw / w / camera.zoom, sh / h / camera.zoom
    cos, sin = math.cos(math.radians(camera.roll)), math.sin(math.radians(camera.roll))
    a, b, d, e = across * cos, -across * sin, down * sin, down * cos
    x, y = sw * (0.5 + camera.x), sh * (0.5 + camera.y)
    return a, b, x - (a * w + b * h) / 2, d, e, y - (d * w + e * h) / 2


def warp(pixels: Pixels, camera: Camera, size: Size) -> Pixels:
    """What ``camera`` sees of ``pixels``, (height, width, 3) at ``size``; edges repeat beyond the source.

    Catmull-Rom in one sampling; shrinking averages. (Pillow's ``transform`` has another cubic that makes stairs of
    gradients, so it is not used; without roll its exact ``resize`` of a fractional box is, being fast.)
    """
    source = (pixels.shape[1], pixels.shape[0])
    if camera == Camera() and source == size:
        return pixels
    m = affine(camera, source, size)
    return _resized(pixels, m, size) if m[1] == m[3] == 0 else _sampled(pixels, m, size)


def _resized(pixels: Pixels, m: Affine, size: Size) -> Pixels:
    box = (m[2], m[5], m[2] + m[0] * size[0], m[5] + m[4] * size[1])
    source = (pixels.shape[1], pixels.shape[0])
    beyond = (-box[0], -box[1], box[2] - source[0], box[3] - source[1])
    reach = math.ceil(2 * max(1.0, m[0], m[4])) + 1  # of the kernel, which widens when it shrinks
    left, top, right, bottom = (max(0, math.ceil(v + reach)) for v in beyond)
    image = Image.fromarray(np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="edge"))
    moved = (box[0] + left, box[1] + top, box[2] + left, box[3] + top)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=moved))


def _sampled(pixels: Pixels, m: Affine, size: Size) -> Pixels:
    """16 taps a pixel in numpy; where it shrinks, a finer grid that is then averaged."""
    fine = max(1, math.ceil(max(math.hypot(m[0], m[3]), math.hypot(m[1], m[4])) - 1e-9))
    a, b, c, d, e, f = m
    m = (a / fine, b / fine, c, d / fine, e / fine, f)
    x, y = np.meshgrid(np.arange(size[0] * fine) + 0.5, np.arange(size[1] * fine) + 0.5)
    sx, sy = m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]
    (columns, across), (rows, down) = _taps(sx, pixels.shape[1]), _taps(sy, pixels.shape[0])
    out = np.zeros((*x.shape, 3), np.float32)
    for row, v in zip(rows, down, strict=True):
        for column, h in zip(columns, across, strict=True):
            out += pixels[row, column] * (v * h)[..., None]
    whole = out.reshape(size[1], fine, size[0], fine, 3).mean((1, 3))
    return np.asarray(np.rint(whole.clip(0, 255)), np.uint8)


def _taps(at: NDArray[np.float64], length: int) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float32]]]:
    """Indices and Catmull-Rom weights of the four neighbours of each coordinate; indices stop at the edges."""
    base = np.floor(at - 0.5)
    t = (at - 0.5 - base).astype(np.float32)
    weights = [
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]
    return [np.clip(base.astype(np.int64) + i, 0, length - 1) for i in (-1, 0, 1, 2)], weights


def coverage(camera: Camera, source: Size, size: Size, seam: float = 0.0) -> NDArray[np.float32]:
    """(height, width) at ``size``: 1 where the source covers the output pixel, 0 where not.

    Edges of the source that are in view ramp down over ``seam`` output pixels inside it.
    """
    m = affine(camera, source, size)
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    sx, sy = m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]
    across, down = math.hypot(m[0], m[1]), math.hypot(m[3], m[4])
    inside = np.full(x.shape, np.inf)
    for distance in (sx / across, (source[0] - sx) / across, sy / down, (source[1] - sy) / down):
        if float(np.min(distance)) < -1e-6:  # this edge is in view
            inside = np.minimum(inside, distance)
    ramp = np.clip(inside / seam, 0, 1) if seam > 0 else inside > 0
    return np.asarray(ramp, np.float32)


def match_colours(pixels: Pixels, reference: Pixels) -> Pixels:
    """``pixels`` with the mean and the spread of ``reference``, per channel of Oklab (lightness and two hues)."""
    lab, target = _oklab(pixels), _oklab(reference)
    spread = target.std((0, 1)) / np.maximum(lab.std((0, 1)), 1e-6)
    moved = (lab - lab.mean((0, 1))) * np.clip(spread, *GAIN) + target.mean((0, 1))
    cones = _mix(moved, np.linalg.inv(_LAB)) ** 3
    linear = np.clip(_mix(cones, np.linalg.inv(_CONES)), 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(srgb * 255), np.uint8)


def _oklab(pixels: Pixels) -> NDArray[np.float64]:
    srgb = pixels / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return _mix(np.cbrt(_mix(linear, _CONES)), _LAB)


def _mix(values: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Channels through a 3x3 matrix, without BLAS: the same bits for every number of threads."""
    return np.stack([sum(values[..., j] * row[j] for j in range(3)) for row in matrix], axis=-1)
