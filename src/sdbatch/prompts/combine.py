"""Products and combinations of texts, with a limit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, product
from math import comb

LIMIT = 10_000  # variants of one prompt
_TOO_MANY = f"the prompt expands to more than {LIMIT:,} variants; use fewer {{a|b}} groups, or draw with {{~a|b}}"
Texts = list[str]
Option = Callable[[int], Texts]


def joined(parts: Iterable[Texts]) -> Texts:
    out: Texts = []
    for texts in parts:
        out += texts
        if len(out) > LIMIT:
            raise ValueError(_TOO_MANY)
    return out


def multiplied(heads: Texts, tails: Texts) -> Texts:
    if len(heads) * len(tails) > LIMIT:
        raise ValueError(_TOO_MANY)
    return [head + tail for head in heads for tail in tails]


def combined(indices: Sequence[int], option: Option, counts: range, join: str) -> Texts:
    """Every choice of as many alternatives as ``counts`` says, in their order, joined."""
    if any(comb(len(indices), count) > LIMIT for count in counts):
        raise ValueError(_TOO_MANY)
    texts = [option(i) for i in indices]
    chosen = (part for count in counts for part in combinations(texts, count))
    return joined([join.join(one) for one in _bounded(part)] for part in chosen)


def _bounded(parts: Sequence[Texts]) -> Iterable[tuple[str, ...]]:
    size = 1
    for texts in parts:
        size *= len(texts)
        if size > LIMIT:
            raise ValueError(_TOO_MANY)
    return product(*parts)
