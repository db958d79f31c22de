"""What a video does, found in its finished file: the camera, jitter, flicker, detail, drift. The only user of OpenCV.

The camera between two frames is found by dense optical flow (DIS), a robust similarity fitted to it (iteratively
re-weighted least squares), and Gauss-Newton on the pictures themselves; the warp there is scipy's cubic spline, not
the one under test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from sdbatch.imaging.warp import warp
from sdbatch.spec.start import Camera

Plane = NDArray[np.float64]
BORDER = 0.06  # of the shorter side: not looked at
SMOOTH = 1.0  # pixels: what is compared is blurred so much, since the next frame may be sharper


@dataclass(slots=True)
class Found:
    """Per pair of frames: (log zoom, roll in radians, x, y in pixels of the middle), and what the video looks like."""

    moves: list[Plane] = field(default_factory=list)
    flicker: list[float] = field(default_factory=list)  # mean absolute difference, of 255
    detail: list[float] = field(default_factory=list)  # energy above half of Nyquist
    colours: list[Plane] = field(default_factory=list)


def look(frames: Iterable[NDArray[np.uint8]], steps: Sequence[Camera], *, camera: bool = True) -> Found:
    """``steps[k]``: the camera of frame k+1 as one over frame k (what the schedule says)."""
    found = Found()
    for k, (before, after) in enumerate(pairwise(_noted(frames, found))):
        if camera:
            found.moves.append(motion_between(before, after))
        found.flicker.append(flicker(before, after, steps[k]))
    return found


def _noted(frames: Iterable[NDArray[np.uint8]], found: Found) -> Iterable[NDArray[np.uint8]]:
    for pixels in frames:
        found.detail.append(detail(pixels))
        found.colours.append(pixels.mean((0, 1)))
        yield pixels


def motion_between(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Plane:
    """What ``after`` shows of ``before``: x_before = middle + e^-log_zoom R(roll) (x_after - middle) + (x, y)."""
    a, b = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (before, after))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(b, a, None)
    return _refined(gaussian_filter(a.astype(float), SMOOTH), gaussian_filter(b.astype(float), SMOOTH), _fitted(flow))


def _grid(shape: tuple[int, ...]) -> tuple[Plane, Plane]:
    """Coordinates from the middle, without the border."""
    h, w = shape[:2]
    edge = round(min(h, w) * BORDER)
    y, x = np.mgrid[edge : h - edge, edge : w - edge].astype(float)
    return x - (w - 1) / 2, y - (h - 1) / 2


def _moved(p: Plane, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    scale, cos, sin = math.exp(-p[0]), math.cos(p[1]), math.sin(p[1])
    return scale * (cos * x - sin * y) + p[2], scale * (sin * x + cos * y) + p[3]


def _fitted(flow: NDArray[np.float32]) -> Plane:
    """A similarity through the flow, Cauchy-weighted."""
    x, y = _grid(flow.shape)
    edge = round(min(flow.shape[:2]) * BORDER)
    inner = flow[edge : flow.shape[0] - edge, edge : flow.shape[1] - edge].astype(float)
    u, v = (x + inner[..., 0]).ravel(), (y + inner[..., 1]).ravel()
    x, y = x.ravel(), y.ravel()
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    wanted, weight = np.concatenate([u, v]), np.ones(2 * len(x))
    for _ in range(8):
        c = np.linalg.lstsq(rows * weight[:, None], wanted * weight, rcond=None)[0]
        off = np.abs(rows @ c - wanted)
        weight = 1 / np.sqrt(1 + (off / (2 * np.median(off) + 1e-6)) ** 2)
    return np.array([-math.log(math.hypot(c[0], c[1])), math.atan2(c[1], c[0]), c[2], c[3]])


def _refined(a: Plane, b: Plane, p: Plane) -> Plane:
    """Gauss-Newton on brightness (with gain and offset), Huber-weighted. Slopes are those of ``b``, turned back."""
    x, y = _grid(b.shape)
    inner = np.s_[(edge := round(min(b.shape) * BORDER)) : b.shape[0] - edge, edge : b.shape[1] - edge]
    by, bx = (np.asarray(slope)[inner] for slope in np.gradient(b))
    want, spline, middle = b[inner], spline_filter(a, order=3), (np.array(a.shape) - 1) / 2
    for _ in range(8):
        u, v = _moved(p, x, y)
        got = map_coordinates(spline, (v + middle[0], u + middle[1]), order=3, prefilter=False, mode="nearest")
        grow, cos, sin = math.exp(p[0]), math.cos(p[1]), math.sin(p[1])
        du, dv = grow * (cos * bx - sin * by), grow * (sin * bx + cos * by)
        ru, rv = u - p[2], v - p[3]
        columns = [-(du * ru + dv * rv), -du * rv + dv * ru, du, dv, got, np.ones_like(got)]
        jacobian, off = np.stack([c.ravel() for c in columns], 1), (want - got).ravel()
        weight = np.minimum(1, 1.5 * (np.median(np.abs(off)) + 1e-3) / (np.abs(off) + 1e-9))
        weighted = (jacobian * weight[:, None]).T
        step = np.linalg.solve(weighted @ jacobian, weighted @ off)
        p = p + step[:4]
        if np.abs(step[:4] * [max(b.shape), max(b.shape), 1, 1]).max() < 1e-3:
            break
    return p


def expected(step: Camera, size: tuple[int, int]) -> Plane:
    """A camera in the terms of ``motion_between``."""
    return np.array([math.log(step.zoom), math.radians(step.roll), step.x * size[0], step.y * size[1]])


def flicker(before: NDArray[np.uint8], after: NDArray[np.uint8], step: Camera) -> float:
    """Mean difference between a frame and the one before it, warped by the camera that the schedule has."""
    (h, w, _), edge = after.shape, round(min(after.shape[:2]) * BORDER)
    off = np.abs(after.astype(float) - warp(before, step, (w, h)))
    return float(off[edge : h - edge, edge : w - edge].mean())


def detail(pixels: NDArray[np.uint8]) -> float:
    """Energy of luma above half of Nyquist."""
    luma = pixels @ np.array([0.2126, 0.7152, 0.0722])
    window = np.outer(np.hanning(luma.shape[0]), np.hanning(luma.shape[1]))
    power = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(luma.shape[1]), np.fft.fftfreq(luma.shape[0])))
    return float(power[radius > 0.25].sum())


def summary(found: Found, steps: Sequence[Camera], size: tuple[int, int]) -> dict[str, Any]:
    """The figures. Log zoom and roll per frame, jitter in pixels, flicker of 255, detail against the first frame."""
    out: dict[str, Any] = {}
    if found.moves:
        off = np.array(found.moves) - np.array([expected(s, size) for s in steps])
        jitter = np.hypot(*np.diff(off[:, 2:], axis=0).T)  # the second difference of the middle's place
        out["log_zoom_error"] = _spread(np.abs(off[:, 0]))
        out["roll_error_degrees"] = _spread(np.degrees(np.abs(off[:, 1])))
        out["jitter_px"] = {**_spread(jitter), "rms": _short(math.sqrt(float((jitter**2).mean())))}
    ratio = np.array(found.detail) / max(found.detail[0], 1e-9)
    out["flicker"] = {**_spread(np.array(found.flicker)), "max": _short(max(found.flicker))}
    out["detail_of_first"] = {"median": _short(float(np.median(ratio))), "min": _short(float(ratio.min()))}
    away = np.abs(np.array(found.colours) - found.colours[0]).max(1)
    out["drift_of_mean_colour"] = {"last": _short(float(away[-1])), "max": _short(float(away.max()))}
    return out


def _spread(values: Plane) -> dict[str, float]:
    out = {"median": np.median(values), "p95": np.percentile(values, 95), "mean": values.mean()}
    return {name: _short(float(value)) for name, value in out.items()}


def _short(value: float) -> float:
    return float(f"{value:.3g}")
