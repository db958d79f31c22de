"""Canvas: ratios and exact sizes to pixels, and pixels to the latent grid. Pure arithmetic."""

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
SIDE = range(16, 8193)
_EXACT = re.compile(r"\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*")
_HOW = 'write "16:9" or 640x360'


@dataclass(frozen=True, slots=True)
class Size:
    """An exact size in pixels."""

    width: int
    height: int


def parse(text: Any, native: int, scale: int = 8) -> Size:
    """``"16:9"`` at about ``native``² pixels on the latent grid, or ``"640x360"`` exactly.

    Raises ValueError with what is allowed (for an integer: YAML 1.1 read an unquoted ratio in base 60).
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
    """The grid size nearest to the ratio whose area is nearest to native²."""
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
    """Latent (height, width) that covers ``size``."""
    return -(-size.height // scale), -(-size.width // scale)


def crop(size: Size, scale: int = 8) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the exact size, centred in the rendered grid."""
    h, w = latent(size, scale)
    left, top = (w * scale - size.width) // 2, (h * scale - size.height) // 2
    return left, top, left + size.width, top + size.height
