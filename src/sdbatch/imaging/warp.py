"""Camera mathematics on stored pictures: one exact sub-pixel affine warp, and what it covers. No torch.

A camera maps an output pixel to the source it shows: zoom about the centre, pan in fractions of the frame, roll
clockwise. All of it is one affine matrix, so the source is sampled once.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdbatch.spec.jobs import Camera

Pixels = NDArray[np.uint8]
Mask = NDArray[np.float32]  # (height, width, 1)
Size = tuple[int, int]  # (width, height) in pixels
Affine = tuple[float, float, float, float, float, float]
Corners = tuple[float, float, float, float]  # left, top, right, bottom
MARGIN = 16  # pixels around a plate: the reach of the kernels (8 at most where they enlarge), and as much again
WHOLE = 32_000_000  # pixels of an enlarged plate that are kept, 128 MB


class View(NamedTuple):
    """A part of a picture whose left and top are there, ``across`` and ``down`` times as large."""

    image: Image.Image
    left: int
    top: int
    across: float
    down: float


def affine(camera: Camera, source: Size, size: Size) -> Affine:
    """(a, b, c, d, e, f): the output point (x, y), in pixels from the corner, shows (ax + by + c, dx + ey + f)."""
    (sw, sh), (w, h) = source, size
    across, down = sw / w / camera.zoom, sh / h / camera.zoom
    cos, sin = math.cos(math.radians(camera.roll)), math.sin(math.radians(camera.roll))
    a, b, d, e = across * cos, -across * sin, down * sin, down * cos
    x, y = sw * (0.5 + camera.x), sh * (0.5 + camera.y)
    return a, b, x - (a * w + b * h) / 2, d, e, y - (d * w + e * h) / 2


class Source:
    """A picture, (height, width, 3), that is looked at once: only what is in view is enlarged."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.size: Size = (pixels.shape[1], pixels.shape[0])

    def enlarged(self, corners: Corners, reach: int, fine: float) -> View:
        """The picture between ``corners`` and ``reach`` around it, ``fine`` times as large, edges repeated."""
        left, top = (math.floor(v) - reach for v in corners[:2])
        right, bottom = (math.ceil(v) + reach for v in corners[2:])
        (width, height), (rows, columns) = self.size, (np.arange(top, bottom), np.arange(left, right))
        part = Image.fromarray(self.pixels[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)])
        return _view(part, left, top, fine)


class Plate(Source):
    """A picture that is looked at frame after frame: it is enlarged whole, and the last enlargement is kept."""

    def __init__(self, pixels: Pixels) -> None:
        super().__init__(pixels)
        self._kept: dict[int, View] = {}

    def enlarged(self, corners: Corners, reach: int, fine: float) -> View:
        """As for any source beyond the margin of the whole picture, and where that would be too large to keep."""
        (left, top, right, bottom), (width, height), margin = corners, self.size, MARGIN - reach
        within = min(left, top, width - right, height - bottom) >= -margin
        large = (width + 2 * MARGIN) * (height + 2 * MARGIN) * fine**2 > WHOLE
        if not within or large or fine != int(fine):
            return super().enlarged(corners, reach, fine)
        if fine not in self._kept:
            self._kept = {int(fine): self._whole(int(fine))}
        return self._kept[int(fine)]

    def _whole(self, fine: int) -> View:
        edges = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
        return _view(Image.fromarray(np.pad(self.pixels, edges, mode="edge")), -MARGIN, -MARGIN, fine)


def warp(picture: Pixels | Source, camera: Camera, size: Size) -> Pixels:
    """What ``camera`` sees of a picture, (height, width, 3) at ``size``; edges repeat beyond it.

    It is Lanczos-enlarged by a whole number (the same error in every frame), then resampled once: without roll
    by Lanczos over a fractional box, with roll linearly. Lanczos alone puts a picture 0.02 px off, to and fro as it
    moves; enlarged first, 0.005 px. (Pillow's cubic ``transform`` makes stairs of gradients.) Shrinking averages.
    """
    source = picture if isinstance(picture, Source) else Source(picture)
    if camera == Camera() and source.size == size:
        return source.pixels
    return _sampled(source, affine(camera, source.size, size), size)


def patch(picture: Source, camera: Camera, size: Size, seam: float) -> tuple[Pixels, Mask, tuple[slice, slice]] | None:
    """The part of a frame of ``size`` where the picture is: what is seen, how much it covers, and (rows, columns).

    It covers 0 at its edges and 1 from ``seam`` (a share of its shorter side) inside them. None: out of view.
    """
    m = affine(camera, picture.size, size)
    left, top, right, bottom = _bounds(m, picture.size, size)
    if left >= right or top >= bottom:
        return None
    m = _shifted(m, left, top)
    part = (right - left, bottom - top)
    return _sampled(picture, m, part), _window(m, picture.size, part, seam), (slice(top, bottom), slice(left, right))


def _sampled(source: Source, m: Affine, size: Size) -> Pixels:
    """The part of the source that is in view, enlarged, then resampled."""
    upright, step = m[1] == m[3] == 0, math.hypot(m[0], m[3])  # source pixels per output pixel
    reach = math.ceil(3 * max(1.0, step)) + 3  # of the kernels, which widen when they shrink
    # Linear sampling does not average, so what shrinks under a roll is brought near its size first.
    fine = math.ceil(1.34 / step) if upright else 2.5 / step if step > 1 else math.ceil(2.5 / step)
    image, left, top, x, y = source.enlarged(_corners(m, size), reach, fine)
    a, b, c, d, e, f = m[0] * x, m[1] * x, (m[2] - left) * x, m[3] * y, m[4] * y, (m[5] - top) * y
    if upright:
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=(c, f, c + a * size[0], f + e * size[1])))
    return np.asarray(image.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR))


def _view(part: Image.Image, left: int, top: int, fine: float) -> View:
    size = (math.ceil(part.width * fine), math.ceil(part.height * fine))
    image = part if size == part.size else part.resize(size, Image.Resampling.LANCZOS)
    return View(image, left, top, size[0] / part.width, size[1] / part.height)


def _corners(m: Affine, size: Size) -> Corners:
    """(left, top, right, bottom) of what an output of ``size`` looks at."""
    xs, ys = zip(*(_apply(m, x, y) for x in (0, size[0]) for y in (0, size[1])), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _apply(m: Affine, x: float, y: float) -> tuple[float, float]:
    return m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]


def _shifted(m: Affine, x: int, y: int) -> Affine:
    """For an output whose corner is at (x, y) of the old one."""
    return m[0], m[1], m[0] * x + m[1] * y + m[2], m[3], m[4], m[3] * x + m[4] * y + m[5]


def _bounds(m: Affine, source: Size, size: Size) -> tuple[int, int, int, int]:
    """The part of the output, (left, top, right, bottom), in which the source can be seen."""
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


def _window(m: Affine, source: Size, size: Size, seam: float) -> Mask:
    """1 inside the source, 0 outside, a smooth step over ``seam`` of its shorter side between."""
    x, y = np.arange(size[0]) + 0.5, (np.arange(size[1]) + 0.5)[:, None]
    soft = max(seam * min(source), 1e-6)
    cover: Any = 1.0
    for at, length in zip(_apply(m, x, y), source, strict=True):  # type: ignore[arg-type]
        t = np.clip(np.minimum(at, length - at) / soft, 0, 1)
        cover = cover * (t * t * (3 - 2 * t))
    return np.asarray(cover, np.float32)[..., None]


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
