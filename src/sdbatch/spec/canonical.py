"""The canonical form of values, and its digests.

Ids are BLAKE2b digests of canonical JSON. A field with its default value is left out, so a new field does not change
existing ids. Numbers are normalised (6 is 6.0).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, get_type_hints

canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def digest(value: Any, prefix: str = "j") -> str:
    """The id of JSON data: ``prefix`` and 16 hex digits (without a letter, YAML parses ``123e4567`` as a number)."""
    return prefix + blake2b(canonical(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def plan_digest(ids: Sequence[str]) -> str:
    """A plan's name: ``d`` + 16 hex digits over its jobs and their order."""
    return "d" + blake2b("\n".join(ids).encode(), digest_size=8).hexdigest()


def spec(value: Any) -> dict[str, Any]:
    """A frozen dataclass as a dict without the fields that are at their defaults, or that are not compared."""
    out: dict[str, Any] = {}
    for f in fields(value):
        if not f.compare:
            continue
        v = getattr(value, f.name)
        default = (
            f.default
            if f.default is not MISSING
            else (f.default_factory() if f.default_factory is not MISSING else MISSING)
        )
        if default is MISSING or v != default:
            out[f.name] = plain_field(value, f.name)
    return out


def plain_field(value: Any, name: str) -> Any:
    """The field ``name`` of a dataclass as canonical JSON data."""
    v = getattr(value, name)
    if is_dataclass(v):
        return spec(v)
    if isinstance(v, tuple):
        return [spec(one) if is_dataclass(one) else one if isinstance(one, str) else float(one) for one in v]
    return float(v) if name in _floats(type(value)) else v  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _floats(kind: type) -> frozenset[str]:
    """The fields of a dataclass of type float or float | None: integers in them enter ids as floats."""
    return frozenset(name for name, hint in get_type_hints(kind).items() if hint in (float, float | None))
