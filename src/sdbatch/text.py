"""Small texts that people write: seeds, ranges, slugs. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from fractions import Fraction

SEED_RANGE = (0, 2**63 - 1)
RANGE_LIMIT = 10_000_000
_RANGE = re.compile(r"^\s*(-?\d+(?:\.\d+)?)\s*\.\.\s*(-?\d+(?:\.\d+)?)(?:\s*\.\.\s*(\d+(?:\.\d+)?))?\s*$")


def parse_range(text: str) -> list[int] | list[float] | range:
    """``0..3`` is 0, 1, 2, 3; ``10..50..10`` has a step; decimals make floats. Raises ValueError."""
    m = _RANGE.match(text)
    if not m:
        raise ValueError(f"{text!r} is no range; write 0..3 or 10..50..10")
    low, high, step = Fraction(m[1]), Fraction(m[2]), Fraction(m[3] or 1)
    if high < low or step <= 0:
        raise ValueError(f"{text!r} is empty: a range runs from low to high by a positive step")
    count = int((high - low) / step) + 1
    if count > RANGE_LIMIT:
        raise ValueError(f"{text!r} has {count} values, more than {RANGE_LIMIT}")
    if "." not in m[1].replace("..", "") and all(f.denominator == 1 for f in (low, high, step)):
        return range(int(low), int(high) + 1, int(step))
    return [float(low + i * step) for i in range(count)]


def is_range(value: object) -> bool:
    return isinstance(value, str) and bool(_RANGE.match(value))


def parse_seeds(values: Iterable[int | str]) -> tuple[int, ...] | range:
    """Numbers and ranges to seeds, in order. Raises ValueError for what is no seed or out of 0–2⁶³-1."""
    parts = [_seed(v) for v in values]
    if len(parts) == 1:
        return parts[0]
    return tuple(seed for part in parts for seed in part)


def _seed(value: int | str) -> range | tuple[int, ...]:
    if isinstance(value, bool):
        raise ValueError(f"{value} is no seed; write 7, [1, 5, 9] or 0..3")
    if isinstance(value, str):
        found = parse_range(value)
        if not isinstance(found, range):
            raise ValueError(f"{value!r} holds numbers that are not whole")
        value_range = found
    else:
        value_range = range(value, value + 1)
    low, high = value_range[0], value_range[-1]
    if low < SEED_RANGE[0] or high > SEED_RANGE[1]:
        raise ValueError(f"{value} is out of range {SEED_RANGE[0]}–{SEED_RANGE[1]}")
    return value_range


def slug(text: str, length: int = 40) -> str:
    """ASCII letters, digits and dashes for a file name; never empty, never a path."""
    ascii_text = unicodedata.normalize("NFKD", text[:400]).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_text.lower())
    out = ""
    for word in words:
        if len(out) + len(word) + 1 > length:
            break
        out = f"{out}-{word}" if out else word
    return out or (words[0][:length] if words else "prompt")
