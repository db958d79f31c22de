"""What a LoRA adds to one weight: its parts by role, their shapes, and the scale. Pure.

The formulas are computed by ``engine.merge``; here a layer's shape is compared with that of the weight, so that a file
for another model is found before anything is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from sdbatch.models.tensors import Stored

Shape = tuple[int, ...]
KINDS = {  # kind: the roles that make a layer one of this kind
    "lora": frozenset({"down", "up", "mid"}),
    "loha": frozenset({"w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2"}),
    "lokr": frozenset({"k1", "k1_a", "k1_b", "k2", "k2_a", "k2_b", "kt"}),
    "full": frozenset({"diff"}),
}
_NEEDED = {"lora": ("down", "up"), "loha": ("w1_a", "w1_b", "w2_a", "w2_b"), "full": ("diff",)}
# Roles and the axes that have the length of the rank; None: 1, or 0 beside a Tucker kernel.
_RANKS: dict[str, tuple[tuple[str, int | None], ...]] = {
    "lora": (("down", 0), ("up", 1), ("mid", 0), ("mid", 1)),
    "loha": (
        *(("w1_a", None), ("w1_b", 0), ("t1", 0), ("t1", 1)),
        *(("w2_a", None), ("w2_b", 0), ("t2", 0), ("t2", 1)),
    ),
    "lokr": (("k1_a", 1), ("k1_b", 0), ("k2_a", None), ("k2_b", 0), ("kt", 0), ("kt", 1)),
    "full": (),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """``scale``: alpha / rank. ``parts`` also has ``dora`` or ``magnitude`` for DoRA."""

    kind: str
    parts: Mapping[str, Stored]
    scale: float


def layer(parts: Mapping[str, Stored], alpha: float | None, stable: bool = False) -> Layer:
    """The layer of a module's tensors. ``stable``: the scale is alpha / √rank.

    Raises ValueError for parts that are missing or of several kinds, and for ranks that differ.
    """
    kinds = [kind for kind, roles in KINDS.items() if roles & parts.keys()]
    if len(kinds) != 1:
        raise ValueError("has parts of several kinds" if kinds else "has no weights")
    kind = kinds[0]
    if missing := [role for role in _needed(kind, parts) if role not in parts]:
        raise ValueError(f"{missing[0]} is missing")
    _check(parts)
    rank = _rank(kind, parts)
    scale = 1.0 if alpha is None or rank is None else alpha / (rank**0.5 if stable else rank)
    return Layer(kind, {role: part for role, part in parts.items() if role != "alpha"}, scale)


def fits(found: Layer, weight: Shape) -> bool:
    """Whether the layer's difference has the shape of ``weight``, (out, in) or (out, in, height, width)."""
    rows, columns = _product(found)
    return rows == weight[0] and columns == prod(weight[1:]) and _dora_fits(found, weight)


def shape(found: Layer) -> str:
    """The rows and columns of the difference, for messages."""
    return "×".join(map(str, _product(found)))


def _check(parts: Mapping[str, Stored]) -> None:
    for role, part in parts.items():
        dimensions = len(part.shape)
        if prod(part.shape) == 0:
            raise ValueError(f"{role} is empty")
        if role in ("mid", "t1", "t2", "kt") and dimensions != 4:
            raise ValueError(f"{role} is not a kernel: it has {dimensions} dimensions instead of 4")
        if role not in ("alpha", "dora", "magnitude") and dimensions < 2:
            raise ValueError(f"{role} is not a matrix")
        if role == "dora" and dimensions < 1:
            raise ValueError("dora is a single number")


def _needed(kind: str, parts: Mapping[str, Stored]) -> tuple[str, ...]:
    if kind != "lokr":
        return _NEEDED[kind] + (("t1", "t2") if {"t1", "t2"} & parts.keys() else ())
    halves = ((f"k{i}",) if f"k{i}" in parts else (f"k{i}_a", f"k{i}_b") for i in (1, 2))
    return tuple(role for half in halves for role in half)


def _rank(kind: str, parts: Mapping[str, Stored]) -> int | None:
    """The inner dimension, which all parts share. Raises ValueError if they do not."""
    plain = not ("t1" in parts or ("kt" in parts and "k2" not in parts))
    places = [(role, int(plain) if axis is None else axis) for role, axis in _RANKS[kind]]
    sizes = {f"{role}[{axis}]": parts[role].shape[axis] for role, axis in places if role in parts}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"the ranks differ: {', '.join(f'{part} has {n}' for part, n in sizes.items())}")
    return next(iter(sizes.values()), None)


def _product(found: Layer) -> tuple[int, int]:
    """(rows, columns) of the difference, without computing it."""
    p = {role: part.shape for role, part in found.parts.items()}
    if found.kind == "lora":
        return p["up"][0], p["down"][1] * prod(p["mid"][2:]) if "mid" in p else prod(p["down"][1:])
    if found.kind == "loha":
        if "t1" in p:
            return p["w1_a"][1], p["w1_b"][1] * prod(p["t1"][2:])
        return p["w1_a"][0], prod(p["w1_b"][1:])
    if found.kind == "full":
        return p["diff"][0], prod(p["diff"][1:])
    first = p["k1"] if "k1" in p else (p["k1_a"][0], p["k1_b"][1])
    if "k2" in p:
        second: Shape = p["k2"]
    elif "kt" in p:
        second = (p["k2_a"][1], p["k2_b"][1], *p["kt"][2:])
    else:
        second = (p["k2_a"][0], prod(p["k2_b"][1:]))
    return first[0] * second[0], prod(first[1:]) * prod(second[1:])


def _dora_fits(found: Layer, weight: Shape) -> bool:
    if "magnitude" in found.parts:
        return prod(found.parts["magnitude"].shape) == weight[0]
    if "dora" in found.parts:
        size, first = prod(found.parts["dora"].shape), found.parts["dora"].shape[0]
        return size == (weight[0] if first != 1 else weight[1])
    return True
