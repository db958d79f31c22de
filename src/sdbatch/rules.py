"""Skip rules: which combinations of the axes are left out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdbatch.axes import Axis, label
from sdbatch.errors import ConfigError, Problem, nearest

LIMIT = 200_000_000  # combinations before skip rules: what fits in memory as indices
Mask = NDArray[np.bool_]


def kept(axes: Sequence[Axis], rules: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """Indices of the combinations that no rule matches, in order. Raises ConfigError with every wrong rule."""
    radix = [len(a.values) for a in axes]
    total = prod(radix)
    if total > LIMIT:
        raise ConfigError.one(
            "plan.limit", f"the axes make {total:,} combinations", f"at most {LIMIT:,} can be planned"
        )
    index = np.arange(total, dtype=np.int64)
    if not rules:
        return index
    digits = np.unravel_index(index, radix)
    skipped = np.zeros(total, bool)
    problems: list[Problem] = []
    for n, rule in enumerate(rules):
        try:
            skipped |= _matches(rule, f"skip[{n}]", axes, digits)
        except ConfigError as e:
            problems += e.problems
    if problems:
        raise ConfigError(problems)
    if skipped.all():
        raise ConfigError.one("skip", "the rules leave no job")
    return index[~skipped]


def _matches(rule: dict[str, Any], at: str, axes: Sequence[Axis], digits: Sequence[NDArray[np.int64]]) -> Mask:
    """Which combinations match every key of ``rule`` (a list of values: any of them)."""
    if not rule:
        raise ConfigError.one(at, "is empty", "write for example {sampling.steps: 12}")
    where = {key: i for i, axis in enumerate(axes) for key in axis.keys}
    hint = f"axes are {', '.join(where)}"
    wrong = [
        Problem(f"{at}.{k}", "is no axis of this experiment", nearest(k, where) or hint) for k in rule if k not in where
    ]
    if wrong:
        raise ConfigError(wrong)
    mask = np.ones(len(digits[0]), bool)
    for key, wanted in rule.items():
        axis = axes[where[key]]
        column = axis.keys.index(key)
        allowed = wanted if isinstance(wanted, list) else [wanted]
        hits = [_equal(key, values[column], allowed) for values in axis.values]
        if not any(hits):
            known = ", ".join(dict.fromkeys(label(key, v[column]) for v in axis.values[:20]))
            raise ConfigError.one(f"{at}.{key}", f"{wanted!r} matches no value", f"values are {known}")
        mask &= np.array(hits, bool)[digits[where[key]]]
    return mask


def _equal(key: str, value: Any, allowed: list[Any]) -> bool:
    if key == "prompts":
        return value.id in allowed or value.text in allowed
    if key == "canvas":
        return value[0] in [str(a) for a in allowed]
    return value in allowed or label(key, value) in [str(a) for a in allowed]
