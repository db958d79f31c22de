"""Camera warps of pictures: one exact sub-pixel affine warp, and masks of the covered area. No torch.

A camera maps an output pixel to a source position: zoom about the centre, pan in fractions of the frame, roll
clockwise. The whole mapping is one affine matrix, so the source is resampled once.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdbatch.spec.start import Camera

Pixels = NDArray[np.uint8]
Mask = NDArray[np.float32]  # (height, width, 1)
Size = tuple[int, int]  # (width, height) in pixels
Affine = tuple[float, float, float, float, float, float]
Corners = tuple[float, float, float, float]  # left, top, right, bottom
MARGIN = 16  # pixels around a cached picture: twice the radius of the kernels (at most 8 for enlargement)
CACHE_LIMIT = 32_000_000  # pixels of an enlarged picture that is cached, 128 MB


class View(NamedTuple):
    """An enlarged part of a picture.

    ``left`` and ``top`` are its position in source pixels; ``across`` and ``down`` are the scales.
    """

    image: Image.Image
    left: int
    top: int
    across: float
    down: float


def affine(camera: Camera, source: Size, size: Size) -> Affine:
    """(a, b, c, d, e, f): output point (x, y) shows source point (ax + by + c, dx + ey + f), in pixels from the corner.

    ``source`` and ``size`` are (width, height) of the picture and the output.
    """
    (sw, sh), (w, h) = source, size
    across, down = sw / w / camera.zoom, sh / h / camera.zoom
    cos, sin = math.cos(math.radians(camera.roll)), math.sin(math.radians(camera.roll))
    a, b, d, e = across * cos, -across * sin, down * sin, down * cos
    x, y = sw * (0.5 + camera.x), sh * (0.5 + camera.y)
    return a, b, x - (a * w + b * h) / 2, d, e, y - (d * w + e * h) / 2


class Source:
    """A picture, (height, width, 3) uint8, that is warped once: only the visible part is enlarged."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.size: Size = (pixels.shape[1], pixels.shape[0])

    def enlarged(self, corners: Corners, radius: int, scale: float) -> View:
        """The part of the picture in ``corners`` plus ``radius`` pixels, enlarged ``scale`` times, edges repeated."""
        left, top = (math.floor(v) - radius for v in corners[:2])
        right, bottom = (math.ceil(v) + radius for v in corners[2:])
        (width, height), (rows, columns) = self.size, (np.arange(top, bottom), np.arange(left, right))
        part = Image.fromarray(self.pixels[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)])
        return _view(part, left, top, scale)


class Plate(Source):
    """A picture that is warped for many frames: the whole of it is enlarged, and the last enlargement is cached."""

    def __init__(self, pixels: Pixels) -> None:
        super().__init__(pixels)
        self._views: dict[int, View] = {}

    def enlarged(self, corners: Corners, radius: int, scale: float) -> View:
        """As ``Source.enlarged``; served from the cache within the margin, for whole scales up to ``CACHE_LIMIT``."""
        (left, top, right, bottom), (width, height), margin = corners, self.size, MARGIN - radius
        within = min(left, top, width - right, height - bottom) >= -margin
        large = (width + 2 * MARGIN) * (height + 2 * MARGIN) * scale**2 > CACHE_LIMIT
        if not within or large or scale != int(scale):
            return super().enlarged(corners, radius, scale)
        if scale not in self._views:
            self._views = {int(scale): self._whole(int(scale))}
        return self._views[int(scale)]

    def _whole(self, scale: int) -> View:
        edges = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
        return _view(Image.fromarray(np.pad(self.pixels, edges, mode="edge")), -MARGIN, -MARGIN, scale)


def warp(picture: Pixels | Source, camera: Camera, size: Size) -> Pixels:
    """The view of ``camera``, (height, width, 3) uint8 at ``size`` = (width, height). The picture's edges are repeated.

    The source is enlarged by a whole factor with Lanczos (the same error in every frame), then resampled once: without
    roll with Lanczos over a fractional box, with roll bilinearly. Lanczos alone has a position error of up to 0.02 px,
    which varies as the camera moves; after the enlargement it is 0.005 px. Pillow's bicubic ``transform`` is not used
    because it produces steps in gradients. Reduction averages.
    """
    source = picture if isinstance(picture, Source) else Source(picture)
    if camera == Camera() and source.size == size:
        return source.pixels
    return _sampled(source, affine(camera, source.size, size), size)


def patch(
    picture: Source, camera: Camera, size: Size, feather: float
) -> tuple[Pixels, Mask, tuple[slice, slice]] | None:
    """The visible part of a picture in a frame of ``size``: pixels (h, w, 3), mask (h, w, 1) and (rows, columns).

    The mask is 0 at the edges of the picture and 1 from ``feather`` (a fraction of its shorter side) inwards. Returns
    None if the picture is out of view.
    """
    m = affine(camera, picture.size, size)
    left, top, right, bottom = _bounds(m, picture.size, size)
    if left >= right or top >= bottom:
        return None
    m = _shifted(m, left, top)
    part = (right - left, bottom - top)
    return _sampled(picture, m, part), _window(m, picture.size, part, feather), (slice(top, bottom), slice(left, right))


def _sampled(source: Source, m: Affine, size: Size) -> Pixels:
    """The visible part of the source, enlarged, then resampled to ``size``."""
    upright, step = m[1] == m[3] == 0, math.hypot(m[0], m[3])  # source pixels per output pixel
    radius = math.ceil(3 * max(1.0, step)) + 3  # of the kernels, which are wider for reduction
    # Bilinear sampling does not average, so with roll a reduction is done by this scale first.
    scale = math.ceil(1.34 / step) if upright else 2.5 / step if step > 1 else math.ceil(2.5 / step)
    image, left, top, x, y = source.enlarged(_corners(m, size), radius, scale)
    a, b, c, d, e, f = m[0] * x, m[1] * x, (m[2] - left) * x, m[3] * y, m[4] * y, (m[5] - top) * y
    if upright:
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=(c, f, c + a * size[0], f + e * size[1])))
    return np.asarray(image.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR))


def _view(part: Image.Image, left: int, top: int, scale: float) -> View:
    size = (math.ceil(part.width * scale), math.ceil(part.height * scale))
    image = part if size == part.size else part.resize(size, Image.Resampling.LANCZOS)
    return View(image, left, top, size[0] / part.width, size[1] / part.height)


def _corners(m: Affine, size: Size) -> Corners:
    """(left, top, right, bottom) of the source area that an output of ``size`` shows."""
    xs, ys = zip(*(_apply(m, x, y) for x in (0, size[0]) for y in (0, size[1])), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _apply(m: Affine, x: float, y: float) -> tuple[float, float]:
    return m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]


def _shifted(m: Affine, x: int, y: int) -> Affine:
    """``m`` for an output whose corner is at (x, y) of the old output."""
    return m[0], m[1], m[0] * x + m[1] * y + m[2], m[3], m[4], m[3] * x + m[4] * y + m[5]


def _bounds(m: Affine, source: Size, size: Size) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the output area that shows the source."""
    a, b, c, d, e, f = m
    det = a * e - b * d
    inverse = (e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det)
    left, top, right, bottom = _corners(inverse, source)
    return (
        max(0, math.floor(left)),
        max(0, math.floor(top)),
        min(size[0], math.ceil(right)),
        min(size[1], math.ceil(bottom)),
    )


def _window(m: Affine, source: Size, size: Size, feather: float) -> Mask:
    """1 inside the source, 0 outside, with a smoothstep over ``feather`` (a fraction of its shorter side) between."""
    x, y = np.arange(size[0]) + 0.5, (np.arange(size[1]) + 0.5)[:, None]
    width = max(feather * min(source), 1e-6)
    mask: Any = 1.0
    for at, length in zip(_apply(m, x, y), source, strict=True):  # type: ignore[arg-type]
        t = np.clip(np.minimum(at, length - at) / width, 0, 1)
        mask = mask * (t * t * (3 - 2 * t))
    return np.asarray(mask, np.float32)[..., None]


def coverage(camera: Camera, source: Size, size: Size, feather: float = 0.0) -> NDArray[np.float32]:
    """(height, width) float32 for an output of ``size``: 1 where the source covers the pixel, 0 elsewhere.

    Edges of the source that are in view fall linearly to 0 over ``feather`` output pixels inside it.
    """
    m = affine(camera, source, size)
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    sx, sy = m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]
    across, down = math.hypot(m[0], m[1]), math.hypot(m[3], m[4])
    inside = np.full(x.shape, np.inf)
    for distance in (sx / across, (source[0] - sx) / across, sy / down, (source[1] - sy) / down):
        if float(np.min(distance)) < -1e-6:  # this edge is in view
            inside = np.minimum(inside, distance)
    ramp = np.clip(inside / feather, 0, 1) if feather > 0 else inside > 0
    return np.asarray(ramp, np.float32)
