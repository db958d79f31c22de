"""A picture of any size at another one, without distortion. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def cover(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``pixels`` (height, width, 3 or 4) scaled until they cover ``size`` (width, height), and cropped around their
    centre. What is transparent is white."""
    image = _on_white(pixels)
    if image.size == size:
        return np.asarray(image)
    width, height = image.size
    scale = max(size[0] / width, size[1] / height)
    shown = (size[0] / scale, size[1] / scale)
    left, top = (width - shown[0]) / 2, (height - shown[1]) / 2
    box = (max(0.0, left), max(0.0, top), min(width, left + shown[0]), min(height, top + shown[1]))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box))


def _on_white(pixels: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
