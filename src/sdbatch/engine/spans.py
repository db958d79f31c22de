"""Tiles along a side of a picture or a map, each with the positions around it that its result depends on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """Positions ``first`` to ``last`` of a side; ``start`` to ``end`` with those around them."""

    first: int
    last: int
    start: int
    end: int

    @property
    def around(self) -> slice:
        return slice(self.start, self.end)

    @property
    def length(self) -> int:
        """Of all, with those around them."""
        return self.end - self.start

    def place(self, up: int, down: int = 1) -> slice:
        """Where it is in a result that is ``up / down`` times as large."""
        return slice(self.first * up // down, self.last * up // down)

    def inside(self, up: int, down: int = 1) -> slice:
        """Where it is in what was made of it with its surroundings."""
        return slice((self.first - self.start) * up // down, (self.last - self.start) * up // down)


def spans(whole: int, side: int, reach: int) -> Iterator[Span]:
    """Tiles of ``side`` along ``whole`` positions, ``reach`` around each; a short rest belongs to the last one."""
    firsts = [*range(0, max(1, whole - side // 2), side)]
    for first, last in zip(firsts, [*firsts[1:], whole], strict=True):
        yield Span(first, last, max(0, first - reach), min(whole, last + reach))
