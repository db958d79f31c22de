"""A procedural test card: one self-similar scene that can be drawn at any zoom with sub-pixel accuracy.

Its texture and rings have all scales (octaves finer than the resolution are left out), so a video over it shows camera
errors at any depth: jitter, visible edges, switches. Used by previews and by the motion benchmark.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sdbatch.spec.start import Camera

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float64]

CELLS = 4  # noise cells across the frame at zoom 1 in octave 0
OUTSIDE = 6  # octaves coarser than octave 0, for zooming out
FINEST = 3.0  # pixels: shorter wavelengths are left out
SKY, GROUND, LINE = ((0.13, 0.18, 0.33), (0.93, 0.86, 0.72), (0.85, 0.24, 0.18))


def card(camera: Camera, size: tuple[int, int], middle: tuple[float, float] = (0.0, 0.0)) -> Pixels:
    """The view of ``camera`` over the scene, (height, width, 3) uint8 with ``size`` = (width, height).

    ``middle`` is the centre of the scene, in fractions of the frame at zoom 1.
    """
    x, y = _positions(replace(camera, x=camera.x - middle[0], y=camera.y - middle[1]), size)
    pixel = 1 / (camera.zoom * size[0])
    tone = 0.5 + 0.32 * _texture(x, y, pixel)
    tone += 0.1 * np.tanh(3 * np.sin(4 * np.arctan2(y, x) + 6 * _log(x, y)))
    picture = _mix(SKY, GROUND, np.clip(tone, 0, 1))
    for ring in (0.0, 0.5):
        picture = picture + (np.array(LINE) - picture) * _ring(x, y, ring, pixel)[..., None]
    return np.asarray(np.rint(picture * 255).clip(0, 255), np.uint8)


def _positions(camera: Camera, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Scene coordinates of every pixel, in widths of the frame at zoom 1."""
    (w, h), turn = size, math.radians(camera.roll)
    dx, dy = np.meshgrid((np.arange(w) + 0.5 - w / 2) / w, (np.arange(h) + 0.5 - h / 2) / w)
    cos, sin = math.cos(turn) / camera.zoom, math.sin(turn) / camera.zoom
    return camera.x + dx * cos - dy * sin, camera.y * h / w + dx * sin + dy * cos


def _log(x: Plane, y: Plane) -> Plane:
    return np.asarray(np.log2(np.hypot(x, y) + 1e-12))


def _texture(x: Plane, y: Plane, pixel: float) -> Plane:
    """Octaves of smooth noise, each faded out away from its own radius and where it is too fine for ``pixel``."""
    total = np.zeros_like(x)
    radius = np.hypot(x, y) + 1e-12
    for octave in range(-OUTSIDE, 40):
        wave = 2.0**-octave / CELLS
        fade = min(1.0, max(0.0, math.log2(wave / pixel / FINEST)))
        if fade <= 0:
            break
        near = np.exp(-((np.log2(radius / wave) - 1.0) ** 2) / 8)
        total += fade * near * _noise(x / wave, y / wave, octave)
    return np.asarray(np.tanh(total * 0.9))


def _noise(x: Plane, y: Plane, seed: int) -> Plane:
    """Value noise in [-1, 1] with quintic interpolation on an integer lattice."""
    i, j = np.floor(x), np.floor(y)
    u, v = x - i, y - j
    u, v = (t * t * t * (t * (t * 6 - 15) + 10) for t in (u, v))
    a, b, c, d = (_hash(i + p, j + q, seed) for q in (0, 1) for p in (0, 1))
    return np.asarray((a + (b - a) * u) * (1 - v) + (c + (d - c) * u) * v)


def _hash(i: Plane, j: Plane, seed: int) -> Plane:
    n = (i.astype(np.int64) * 374761393 + j.astype(np.int64) * 668265263 + seed * 974634777) & 0x7FFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0x7FFFFFFF
    return np.asarray(((n ^ (n >> 16)) & 0xFFFF) / 32767.5 - 1)


def _ring(x: Plane, y: Plane, phase: float, pixel: float) -> Plane:
    """The opacity of thin rings at every power of two of the radius, at least three pixels wide."""
    log = _log(x, y) + phase
    off = np.abs(log - np.round(log)) * np.hypot(x, y) * math.log(2)
    width = np.maximum(0.008 * np.hypot(x, y), 1.5 * pixel)
    return np.asarray(np.clip(1.5 - off / width, 0, 1) * (0.8 if phase == 0 else 0.25))


def _mix(a: tuple[float, ...], b: tuple[float, ...], t: Plane) -> Plane:
    return np.asarray(np.array(a) + (np.array(b) - np.array(a)) * t[..., None])
