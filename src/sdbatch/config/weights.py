"""Keys that hold weights of LoRAs and ControlNets: one, a list, or a range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BeforeValidator

from sdbatch.errors import shown
from sdbatch.spec.limits import Range
from sdbatch.spec.ranges import is_range, parse_range

MOST = 1000  # weights of one entry


def weights_in(limit: Range) -> BeforeValidator:
    """``0.8``, ``[0.4, 0.8]`` or ``0..1..0.2`` as a tuple of numbers within ``limit``."""
    return BeforeValidator(_reader(limit), json_schema_input_type=float | str | list[float | str])


def _reader(limit: Range) -> Callable[[Any], tuple[float, ...]]:
    def read(value: Any) -> tuple[float, ...]:
        values = parse_range(value, MOST) if is_range(value) else value if isinstance(value, list | tuple) else (value,)
        for one in values:
            if isinstance(one, bool) or not isinstance(one, int | float):
                raise ValueError(f"{shown(one)} is not a weight; write 0.8, [0.4, 0.8] or 0..1..0.2")
            if one not in limit:
                raise ValueError(f"{shown(one)} is out of range {limit} (nearest is {limit.nearest(one):g})")
        if not values:
            raise ValueError("is empty")
        return tuple(float(one) for one in values)

    return read
