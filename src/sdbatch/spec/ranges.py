"""Parsers of seeds and ranges, and slugs for file names. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from sdbatch.errors import shown

SEED_RANGE = (0, 2**63 - 1)
RANGE_LIMIT = 10_000_000
_NUMBER = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"
_RANGE = re.compile(rf"\s*(-?{_NUMBER})\s*\.\.\s*(-?{_NUMBER})(?:\s*\.\.\s*({_NUMBER}))?\s*")
_RANDOM = re.compile(r"\s*random\s*(?:\*\s*([1-9][0-9]{0,6})\s*)?")
_SEEDS = "write 7, [1, 5, 9], 0..3 or random*4"


def parse_range(text: str, limit: int = RANGE_LIMIT) -> list[float] | range:
    """The values of ``first..last`` or ``first..last..step``, both ends included: ``0..3`` is 0, 1, 2, 3.

    Decimals give floats. Raises ValueError for invalid or empty ranges and for more than ``limit`` values.
    """
    m = _RANGE.fullmatch(text)
    if not m:
        raise ValueError(f"{shown(text)} is not a range; write 0..3 or 10..50..10")
    low, high, step = Fraction(m[1]), Fraction(m[2]), Fraction(m[3] or 1)
    if high < low or step <= 0:
        raise ValueError(f"{text!r} is empty; a range goes from low to high with a positive step")
    count = int((high - low) / step) + 1
    if count > limit:
        raise ValueError(f"{text!r} has {count:,} values, more than {limit:,}")
    if "." not in m[1] and all(f.denominator == 1 for f in (low, high, step)):
        return range(int(low), int(high) + 1, int(step))
    return [float(low + i * step) for i in range(count)]


def is_range(value: object) -> bool:
    """Whether ``value`` is text in the form of a range."""
    return isinstance(value, str) and bool(_RANGE.fullmatch(value))


def random_seeds(values: Sequence[Any]) -> int | None:
    """How many seeds ``random`` or ``random*4`` asks for, the only one of ``values``; None for other seeds."""
    found = _RANDOM.fullmatch(values[0]) if len(values) == 1 and isinstance(values[0], str) else None
    return int(found[1] or 1) if found else None


def parse_seeds(values: Iterable[Any]) -> tuple[int, ...] | range:
    """Seeds from whole numbers and ranges, in order; a single range is not expanded.

    Raises ValueError for a value that is not a seed, is outside 0 to 2⁶³-1, or for more than 10 million seeds.
    """
    values, parts, wrong = list(values), [], []
    for value in values:
        try:
            parts.append(_seed(value))
        except ValueError as e:
            wrong.append(str(e))
    if wrong:
        hint = "; for a random seed, -1 in other programs, write random" if -1 in values else ""
        raise ValueError(f"{', '.join(wrong[:10])}; {_SEEDS}{hint}")
    if not parts:
        raise ValueError(f"no seeds; {_SEEDS}")
    if len(parts) == 1:
        return parts[0]
    if (count := sum(map(len, parts))) > RANGE_LIMIT:
        raise ValueError(f"{count:,} seeds; at most {RANGE_LIMIT:,} are allowed")
    return tuple(seed for part in parts for seed in part)


def _seed(value: Any) -> range:
    if isinstance(value, bool) or not (isinstance(value, int) or is_range(value)):
        raise ValueError(f"{shown(value)} is not a seed")
    found = parse_range(value) if isinstance(value, str) else range(value, value + 1)
    if not isinstance(found, range):
        raise ValueError(f"{value!r} contains numbers that are not whole")
    if found[0] < SEED_RANGE[0] or found[-1] > SEED_RANGE[1]:
        raise ValueError(f"{value} is out of range {SEED_RANGE[0]}–{SEED_RANGE[1]}")
    return found


LABEL = 24  # letters of a label that is made of a prompt


def slug(text: str, length: int = 40) -> str:
    """``text`` as lower-case ASCII letters, digits and dashes for a file name; never empty, never a path."""
    ascii_text = unicodedata.normalize("NFKD", text[:400]).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_text.lower())
    out = ""
    for word in words:
        if len(out) + len(word) + 1 > length:
            break
        out = f"{out}-{word}" if out else word
    return out or (words[0][:length] if words else "prompt")
