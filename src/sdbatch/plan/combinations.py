"""The combinations of an experiment's axes that no skip rule removes, projected on some of the axes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdbatch.plan.axes import Axis


class Combinations:
    """The combinations of ``axes`` with ``indices``: those that no skip rule removes."""

    def __init__(self, axes: Sequence[Axis], indices: NDArray[np.int64]) -> None:
        self.axes = axes
        self._indices = indices
        self._radix = [len(axis.values) for axis in axes]

    def of(self, *keys: str) -> Iterator[list[int]]:
        """Positions for every combination of the axes with a key that starts with one of ``keys`` (0 on other axes)."""
        places = [i for i, a in enumerate(self.axes) if any(k.startswith(keys) for k in a.keys)]
        radix = [self._radix[i] for i in places]
        for code in self._codes(places, radix):
            digits = [0] * len(self.axes)
            for i in reversed(places):
                code, digits[i] = divmod(code, self._radix[i])  # noqa: PLW2901  (its last digit is taken)
            yield digits

    def values(self, key: str) -> list[Any]:
        """The values of a swept key."""
        return [value[axis.keys.index(key)] for axis in self.axes if key in axis.keys for value in axis.values]

    def _codes(self, places: Sequence[int], radix: Sequence[int]) -> Iterable[int]:
        """The combinations of some axes as numbers."""
        if not places or len(self._indices) == prod(self._radix):
            return range(prod(radix))
        codes = np.zeros(len(self._indices), np.int64)
        for i, count in zip(places, radix, strict=True):
            codes = codes * count + self._indices // prod(self._radix[i + 1 :]) % count
        found: list[int] = np.unique(codes).tolist()
        return found
