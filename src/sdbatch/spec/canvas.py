"""Canvas: converts ratios and exact sizes to pixels, and pixels to the latent grid. Pure arithmetic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sdbatch.errors import nearest, shown

RATIOS: dict[str, tuple[int, int]] = {
    "1:1": (1, 1),
    "3:4": (3, 4),
    "4:3": (4, 3),
    "2:3": (2, 3),
    "3:2": (3, 2),
    "9:16": (9, 16),
    "16:9": (16, 9),
    "21:9": (21, 9),
}
SIDE = range(16, 8193)  # pixels
_EXACT = re.compile(r"\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*")
_HOW = 'write "16:9" or 640x360'


@dataclass(frozen=True, slots=True)
class Size:
    """An exact size in pixels."""

    width: int
    height: int


def parse(text: Any, native: int, scale: int = 8) -> Size:
    """The size of ``"16:9"`` with about ``native``² pixels, or of ``"640x360"`` exactly.

    The sides of a ratio are multiples of ``scale``, the pixels per latent cell. Raises ValueError with what is allowed.
    An integer gets a special hint, because YAML 1.1 parses an unquoted ratio as a base-60 number.
    """
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise ValueError(f"{shown(text)} is neither a ratio nor a size; {_HOW}")
    if isinstance(text, int):
        raise ValueError(f"{text} is a number; {_unquoted(text)}")
    if (ratio := text.strip()) in RATIOS:
        return _at_area(*RATIOS[ratio], native, scale)
    if m := _EXACT.fullmatch(text):
        size = Size(int(m[1]), int(m[2]))
        if size.width not in SIDE or size.height not in SIDE:
            raise ValueError(f"{text!r} is out of range: sides are {SIDE.start}–{SIDE.stop - 1} pixels")
        return size
    allowed = ", ".join(RATIOS)
    hint = nearest(text, RATIOS)
    raise ValueError(
        f"{shown(text)} is neither a ratio ({allowed}) nor a size like 640x360" + (f"; {hint}" if hint else "")
    )


def _unquoted(number: int) -> str:
    ratio = "{}:{}".format(*divmod(number, 60))
    return f'quote the ratio: "{ratio}"' if ratio in RATIOS else _HOW


def _at_area(rw: int, rh: int, native: int, scale: int) -> Size:
    """The size on the latent grid with the least relative error of area (to native²) and, weighted double, of ratio."""
    width = native * (rw / rh) ** 0.5
    best = min(
        (
            (abs(w * h / native**2 - 1) + 2 * abs(w / h * rh / rw - 1), w, h)
            for w in _around(width, scale)
            for h in _around(width * rh / rw, scale)
        ),
    )
    return Size(best[1], best[2])


def _around(side: float, scale: int) -> tuple[int, int]:
    low = max(scale, int(side // scale) * scale)
    return low, low + scale


def latent(size: Size, scale: int = 8) -> tuple[int, int]:
    """The latent (height, width) that covers ``size``, with ``scale`` pixels per latent cell."""
    return -(-size.height // scale), -(-size.width // scale)


def crop(size: Size, scale: int = 8) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels of ``size``, centred in the decoded latent grid."""
    h, w = latent(size, scale)
    left, top = (w * scale - size.width) // 2, (h * scale - size.height) // 2
    return left, top, left + size.width, top + size.height
