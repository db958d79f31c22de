"""Axes whose values are sets of entries that are used together: LoRAs, ControlNets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from math import prod
from typing import Any, TypeVar

from sdbatch.errors import ConfigError, Problem, Problems

MOST = 10_000  # values of an axis
E = TypeVar("E")
T = TypeVar("T")


def combinations(
    entries: Sequence[E], at: str, values: Callable[[E, str], Iterable[T]], what: str
) -> tuple[tuple[T, ...], ...]:
    """Every combination of one value for each of ``entries``, in their order.

    ``values`` gives those of the entry with a key, ``what`` says in messages what they differ in. Raises ConfigError.
    """
    problems = Problems()
    columns: list[list[T]] = []
    for i, entry in enumerate(entries):
        with problems:
            columns.append(list(values(entry, f"{at}[{i}]")))
    if not problems and prod(map(len, columns)) > MOST:
        problems.append(Problem(at, f"{what} have more than {MOST:,} combinations"))
    problems.report()
    return tuple(product(*columns))


def swept(
    values: Sequence[Any], at: str, key: str, read: Callable[[list[Any], str], Iterable[tuple[T, ...]]]
) -> list[tuple[T, ...]]:
    """The values of an axis over ``key``. Each is null, an entry or a list of entries; ``read`` gives the sets of a
    list, one or several. Raises ConfigError."""
    out: list[tuple[T, ...]] = []
    problems = Problems()
    for i, value in enumerate(values):
        entries = value if isinstance(value, list) else [] if value is None else [value]
        here = f"{at}[{i}]"
        try:
            out += read(entries, here)
        except ConfigError as e:
            problems += [Problem(re.sub(rf"^{key}\b", here, p.key), p.message, p.hint) for p in e.problems]
    if len(out) > MOST:
        problems.append(Problem(at, f"has {len(out):,} values", f"at most {MOST:,} are possible"))
    problems.report()
    return out
