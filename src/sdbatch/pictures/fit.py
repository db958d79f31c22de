"""Brings a picture to a size. Colours and alpha are scaled separately, so that colours under clear parts are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdbatch.spec.pictures import Follow, InputPicture, Resize

Pixels = NDArray[np.uint8]
WHITE = 255


def fitted(pixels: Pixels, size: tuple[int, int], how: Resize) -> Pixels:
    """``pixels`` (height, width, channels) at exactly ``size`` (width, height). Equal sizes are returned unchanged."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    ratios = (size[0] / width, size[1] / height)
    if how == "stretch":
        scaled = _scaled(pixels, size)
    elif how == "none":
        scaled = pixels
    else:
        factor = max(ratios) if how == "fill" else min(ratios)
        exact = (_side(width * factor), _side(height * factor))
        scaled = _scaled(pixels, exact)
    return _centred(scaled, size)


def opaque(pixels: Pixels) -> Pixels:
    """The colours (height, width, 3); what alpha lets through is white."""
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint16)
    mixed = pixels[..., :3] * alpha + WHITE * (255 - alpha)
    found: Pixels = ((mixed + 127) // 255).astype(np.uint8)
    return found


def mixed(pixels: Pixels, follow: Follow, read: Callable[[InputPicture], Pixels]) -> Pixels:
    """``pixels`` (height, width, 3) with the frame of a video mixed in."""
    size = (pixels.shape[1], pixels.shape[0])
    frame = opaque(fitted(read(follow.picture), size, follow.resize))
    share = np.float32(follow.share)
    found: Pixels = np.rint(pixels * (1 - share) + frame * share).astype(np.uint8)
    return found


def _side(length: float) -> int:
    return max(1, round(length))


def _scaled(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    planes = [pixels[..., :3], *(pixels[..., n] for n in range(3, pixels.shape[2]))]
    scaled = [np.asarray(Image.fromarray(p).resize(size, Image.Resampling.LANCZOS)) for p in planes]
    return np.dstack(scaled)


def _centred(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Cropped where it is larger than ``size``, its edges repeated where it is smaller."""
    rows, columns = (_window(pixels.shape[axis], size[1 - axis]) for axis in (0, 1))
    found: Pixels = np.ascontiguousarray(pixels[rows][:, columns])
    return found


def _window(length: int, wanted: int) -> NDArray[Any]:
    first = (length - wanted) // 2
    return np.clip(np.arange(first, first + wanted), 0, length - 1)
