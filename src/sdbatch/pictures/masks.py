"""A user's picture at a size, with the mask of what is repainted. Pixels; no files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from sdbatch.pictures.fit import fitted, opaque
from sdbatch.spec.pictures import Area, Init, InputPicture, Mask, Sides

Pixels = NDArray[np.uint8]
Read = Callable[[InputPicture], Pixels]
FILL = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))  # (radius of a blur, how often it is laid over)


def prepared(init: Init, size: tuple[int, int], read: Read) -> tuple[Pixels, Pixels | None]:
    """The colours (height, width, 3) of ``init`` at ``size`` (width, height), and what is painted, if it has a mask."""
    pixels = read(init.picture)
    if init.mask is None:
        return opaque(fitted(pixels, size, init.resize)), None
    colours = pixels[..., :3] if init.mask.picture is None else opaque(pixels)
    extended = np.pad(colours, (*_around(init.extend), (0, 0)), mode="edge")
    return fitted(extended, size, init.resize), painted(init, init.mask, size, read)


def painted(init: Init, mask: Mask, size: tuple[int, int], read: Read) -> Pixels:
    """The mask (height, width) at ``size``: 255 where ``init`` is repainted, with a soft edge outside.

    Raises ValueError for a mask of another size than its picture.
    """
    kept = _kept(init, mask, read)
    extended = np.pad(255 - kept if mask.invert else kept, _around(init.extend))
    return softened(255 - fitted(_planes(extended), size, init.resize)[..., 0], mask.blur)


def softened(mask: Pixels, blur: float) -> Pixels:
    """``mask`` with an edge that falls from 255 to 0 outside of it, about ``blur`` pixels wide."""
    if not blur:
        return mask
    blurred = np.asarray(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(blur)))
    found: Pixels = np.maximum(mask, np.minimum(blurred, 127) * 2 + (blurred > 126)).astype(np.uint8)
    return found


def filled(pixels: Pixels, mask: Pixels) -> Pixels:
    """``pixels`` (height, width, 3) with the colours around the ``mask`` (height, width) smeared into it, as A1111's
    masked content "fill" does: what is kept, blurred less and less, is laid over itself."""
    kept = 255 - mask.astype(np.uint16)
    parts = np.dstack([(pixels * kept[..., None] + 127) // 255, kept]).astype(np.uint8)
    planes = [Image.fromarray(np.ascontiguousarray(parts[..., n])) for n in range(4)]
    out = np.zeros((*mask.shape, 4), np.float32)
    for radius, times in FILL:
        blurred = [np.asarray(plane.filter(ImageFilter.GaussianBlur(radius)), np.float32) for plane in planes]
        over = np.dstack(blurred) / np.float32(255)
        for _ in range(times):
            out = over + out * (1 - over[..., 3:])
    usual = pixels.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255  # further from what is kept than any blur
    colours = np.where(out[..., 3:] > 0, out[..., :3] / np.maximum(out[..., 3:], 1e-6), usual)
    found: Pixels = np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)
    return np.where(mask[..., None] == 0, pixels, found)


def cut(pixels: Pixels, area: Area) -> Pixels:
    """The part ``area`` of colours (height, width, 3) or of a mask, at the size at which it is rendered."""
    part = pixels[area.top : area.bottom, area.left : area.right]
    if part.ndim == 2:
        return cut(_planes(pixels), area)[..., 0]
    return fitted(part, (area.width, area.height), "stretch")


def put(part: Pixels, area: Area, whole: Pixels) -> Pixels:
    """The inverse: ``whole`` with ``part`` in its place."""
    found = whole.copy()
    size = (area.right - area.left, area.bottom - area.top)
    found[area.top : area.bottom, area.left : area.right] = fitted(part, size, "stretch")
    return found


def _kept(init: Init, mask: Mask, read: Read) -> Pixels:
    """What is kept (height, width) of a picture of the user, before it is extended."""
    if mask.picture is None:
        pixels = read(init.picture)
        return pixels[..., 3] if pixels.shape[2] == 4 else np.full(pixels.shape[:2], 255, np.uint8)
    white = _grey(read(mask.picture))
    height, width = white.shape
    if (width, height) != (init.picture.width, init.picture.height) and init.picture.width:
        text = f"the mask has {width} x {height} pixels, and its picture {init.picture.width} x {init.picture.height}"
        raise ValueError(text)
    kept: Pixels = 255 - white
    return kept


def _grey(pixels: Pixels) -> Pixels:
    """The brightness (height, width) over black."""
    grey = np.asarray(Image.fromarray(np.ascontiguousarray(pixels[..., :3])).convert("L"))
    if pixels.shape[2] == 3:
        return grey
    found: Pixels = (grey.astype(np.uint16) * pixels[..., 3] // 255).astype(np.uint8)
    return found


def _planes(mask: Pixels) -> Pixels:
    return mask[..., None].repeat(3, 2)


def _around(sides: Sides) -> tuple[tuple[int, int], tuple[int, int]]:
    return (sides.top, sides.bottom), (sides.left, sides.right)
