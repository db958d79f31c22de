"""Random choices that are functions of a key: equal in every run, on every machine, and in any company. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate

REPEATS = 8  # draws of a value that was drawn before


@dataclass(frozen=True, slots=True)
class Values:
    """Texts with weights ≥ 0. ``sums`` are the running sums of the weights; ``possible`` the indices of the texts whose
    weight is not 0, at least one."""

    texts: tuple[str, ...]
    weights: tuple[float, ...]
    sums: tuple[float, ...]
    possible: tuple[int, ...]

    @classmethod
    def of(cls, texts: Sequence[str], weights: Sequence[float]) -> Values:
        """Raises ValueError if no weight is positive."""
        if not any(weights):
            raise ValueError("every weight is 0")
        possible = tuple(i for i, weight in enumerate(weights) if weight > 0)
        return cls(tuple(texts), tuple(weights), tuple(accumulate(weights)), possible)


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws for one prompt. ``key`` identifies the prompt; a place in it gives the same draw every time."""

    key: str

    def number(self, place: str) -> float:
        """A number in [0, 1) for ``place``."""
        text = f"{self.key}\0{place}".encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48

    def index(self, values: Values, place: str) -> int:
        """The index of one of ``values``, by weight."""
        at = bisect_right(values.sums, self.number(place) * values.sums[-1])
        return min(at, values.possible[-1])

    def indices(self, values: Values, count: int, place: str) -> list[int]:
        """``count`` different indices in the order drawn, by weight, without replacement."""
        out: list[int] = []
        for n in range(count):
            tries = (self.index(values, f"{place}#{n}.{k}") for k in range(REPEATS))
            new = next((i for i in tries if i not in out), None)
            out.append(self._other(values, out, f"{place}#{n}") if new is None else new)
        return out

    def _other(self, values: Values, drawn: Sequence[int], place: str) -> int:
        """An index that is not in ``drawn``, by weight, where drawing again and again would take too long."""
        left = [i for i in values.possible if i not in drawn]
        sums = list(accumulate(values.weights[i] for i in left))
        return left[min(bisect_right(sums, self.number(place) * sums[-1]), len(left) - 1)]
