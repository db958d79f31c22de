"""What a mask paints: whether there is anything, and the only area that has to be rendered. Reads the pictures."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdbatch.errors import ConfigError
from sdbatch.pictures.masks import painted
from sdbatch.pictures.read import pixels
from sdbatch.spec.canvas import RATIOS, Size, parse
from sdbatch.spec.pictures import Area, Init, InputPicture, Mask

KEY = "mask.image"


class Native(NamedTuple):
    """A model's native size, and pixels per latent cell."""

    side: int
    scale: int


def placed(init: Init, size: Size, padding: int | None, native: Native) -> Init:
    """``init`` with the area that its mask needs in a shot of ``size``; with all of it if ``padding`` is None.

    Raises ConfigError for a mask that paints nothing or has another size than its picture.
    """
    if init.mask is None:
        return init
    area = _area(replace(init, strength=0.0), size, padding, native)
    return replace(init, mask=replace(init.mask, area=area))


@lru_cache(maxsize=16384)
def _area(init: Init, size: Size, padding: int | None, native: Native) -> Area | None:
    assert init.mask is not None
    try:
        found = painted(init, init.mask, (size.width, size.height), _read)
    except ValueError as e:
        raise ConfigError.one(KEY, _said(init, str(e)), "a mask is as large as its picture") from e
    if not found.any():
        raise _nothing(init, init.mask)
    return None if padding is None else around(found, padding, native)


def _nothing(init: Init, mask: Mask) -> ConfigError:
    """The error of a mask that paints nothing."""
    if mask.picture:
        return ConfigError.one(KEY, _said(init, "it paints nothing"), "white parts are painted; see mask.invert")
    if mask.invert:
        return ConfigError.one(KEY, f"{init.picture.path!r} has only transparent parts, which mask.invert keeps")
    return ConfigError.one(
        KEY, f"{init.picture.path!r} has no transparent part to paint", "write the file name of a mask"
    )


def _said(init: Init, text: str) -> str:
    mask = init.mask.picture if init.mask else None
    return f"{(mask or init.picture).path!r}: {text}"


def _read(picture: InputPicture) -> NDArray[np.uint8]:
    if picture.clip is not None:  # no frame of a video has clear parts
        return np.zeros((picture.height, picture.width, 3), np.uint8)
    return pixels(Path(picture.path), picture.digest)


def around(mask: NDArray[np.uint8], padding: int, native: Native) -> Area:
    """The smallest area with ``padding`` pixels around ``mask`` (height, width) that has the ratio of a canvas.

    It is rendered at that canvas, so that the areas of many pictures share calls.
    """
    used = mask > 0
    sides = [_span(np.any(used, axis=1 - axis), padding) for axis in (0, 1)]  # top to bottom, left to right
    height, width = (end - begin for begin, end in sides)
    wanted = width / height
    name = min(RATIOS, key=lambda r: abs(math.log(wanted * RATIOS[r][1] / RATIOS[r][0])))
    at = parse(name, native.side, native.scale)
    ratio = at.width / at.height
    top, bottom = _grown(sides[0], max(height, round(width / ratio)), mask.shape[0])
    left, right = _grown(sides[1], max(width, round(height * ratio)), mask.shape[1])
    return Area(left, top, right, bottom, at.width, at.height, padding)


def _span(used: NDArray[Any], padding: int) -> tuple[int, int]:
    places = np.flatnonzero(used)
    return max(0, int(places[0]) - padding), min(len(used), int(places[-1]) + 1 + padding)


def _grown(span: tuple[int, int], length: int, limit: int) -> tuple[int, int]:
    """``span`` of another length around its centre, inside 0 to ``limit``."""
    length = min(length, limit)
    begin = max(0, min(limit - length, (span[0] + span[1] - length) // 2))
    return begin, begin + length
