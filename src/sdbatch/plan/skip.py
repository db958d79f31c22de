"""Skip rules: combinations of the axes that are left out of the plan. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdbatch.errors import ConfigError, Problem, Problems, nearest, shown
from sdbatch.plan.axes import Axis, label
from sdbatch.spec.ranges import is_range, parse_range

LIMIT = 20_000_000  # combinations before skip rules; their indices must fit into memory
Mask = NDArray[np.bool_]


def remaining(axes: Sequence[Axis], rules: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """Indices of the combinations that no rule matches, ascending, int64.

    Raises ConfigError with every invalid rule, for more than 20 million combinations, and if no job remains.
    """
    radix = [len(a.values) for a in axes]
    total = prod(radix)
    if total > LIMIT:
        raise ConfigError.one("plan.limit", f"the axes have {total:,} combinations", f"at most {LIMIT:,} are possible")
    index = np.arange(total, dtype=np.int64)
    skipped = np.zeros(total, bool)
    problems = Problems()
    for n, rule in enumerate(rules):
        with problems:
            skipped |= _matches(rule, f"skip[{n}]", axes, index)
    problems.report()
    if skipped.all():
        raise ConfigError.one("skip", "the rules skip every job")
    return index[~skipped]


def _matches(rule: dict[str, Any], at: str, axes: Sequence[Axis], index: NDArray[np.int64]) -> Mask:
    """Which combinations match every key of ``rule``; a list or range of values matches any of them."""
    if not rule:
        raise ConfigError.one(at, "is empty", "for example write {sampling.steps: 12}")
    where = {key: i for i, axis in enumerate(axes) for key in axis.keys}
    hint = f"axes are {', '.join(where)}"
    problems = Problems(
        Problem(f"{at}.{k}", "is not an axis of this experiment", nearest(k, where) or hint)
        for k in rule
        if k not in where
    )
    mask = np.ones(len(index), bool)
    for key in [k for k in rule if k in where]:
        axis = axes[where[key]]
        with problems:
            matches = _matching_values(key, [v[axis.keys.index(key)] for v in axis.values], rule[key], f"{at}.{key}")
            place = prod(len(a.values) for a in axes[where[key] + 1 :])
            mask &= matches[index // place % len(axis.values)]
    problems.report()
    return mask


def _matching_values(key: str, values: Sequence[Any], wanted: Any, at: str) -> Mask:
    """Which ``values`` of an axis match a rule. Raises ConfigError for a rule value that matches none of them."""
    found = np.zeros(len(values), bool)
    for one in wanted if isinstance(wanted, list) and wanted else [wanted]:
        matches = np.fromiter(map(_matcher(key, one, at), values), bool, len(values))
        if not matches.any():
            known = ", ".join(dict.fromkeys(label(key, v) for v in values[:20]))
            raise ConfigError.one(
                at, f"{shown(one)} matches no value", f"values are {known}{', …' * (len(values) > 20)}"
            )
        found |= matches
    return found


def _matcher(key: str, one: Any, at: str) -> Callable[[Any], bool]:
    """A predicate: whether a value of the axis ``key`` equals ``one`` or lies in the range ``one``."""
    if isinstance(one, bool | None):
        return lambda v: v is one
    numbers: Iterable[Any] = ()
    if is_range(one):
        try:
            numbers = parse_range(one)
        except ValueError as e:
            raise ConfigError.one(at, str(e)) from e
    if key == "prompts":
        return lambda v: one in (v.id, v.text)
    if not isinstance(one, str):
        return lambda v: v == one
    return lambda v: v in numbers or label(key, v) == one
