"""Merges LoRAs into the weights of a model: in fp32, in the order given. ``build`` casts the result once.

For weight W, strength s and a layer's difference D: W + s · scale · D. With DoRA the columns (or rows) of W + scale · D
get the lengths that the file states, and s goes from W to that, as in A1111 and ComfyUI.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from sdbatch.models.lora.layers import Layer

State = dict[str, Tensor]


@torch.inference_mode()
def merged(
    state: State, changes: Iterable[tuple[Mapping[str, Layer], float]], device: torch.device | None = None
) -> State:
    """``state`` with ``changes``: (layers by module, strength) in order. Other tensors are shared, none is changed."""
    names = {key.removeprefix("text_model."): key for key in state}
    out: State = {}
    for layers, strength in changes:
        if not strength:
            continue
        for module, layer in layers.items():
            key = names[f"{module}.weight"]
            weight = out[key] if key in out else state[key].to(device, torch.float32)
            out[key] = _changed(weight, layer, strength)
    return state | out


def _changed(weight: Tensor, layer: Layer, strength: float) -> Tensor:
    parts = {role: torch.tensor(part, device=weight.device) for role, part in layer.parts.items()}
    change = difference(layer.kind, parts).reshape(weight.shape)
    lengths = parts.get("magnitude", parts.get("dora"))
    if lengths is None:
        return weight + change * (strength * layer.scale)
    by_row = "magnitude" in parts or lengths.shape[0] != 1
    whole = weight + change * layer.scale
    flat = whole.flatten(1) if by_row else whole.transpose(0, 1).flatten(1)
    norm = flat.square().sum(1).sqrt()
    ratio = (lengths.reshape(-1) / norm).reshape((-1, 1) if by_row else (1, -1))
    directed = whole * ratio.reshape(*ratio.shape, *[1] * (weight.ndim - 2))
    return weight + (directed - weight) * strength


def difference(kind: str, p: Mapping[str, Tensor]) -> Tensor:
    """The change of a weight as a matrix (rows, columns), without its scale."""
    if kind == "lora":
        up, down = p["up"].flatten(1), p["down"].flatten(1)
        return up @ down if "mid" not in p else _tucker(p["mid"], up.T, down)
    if kind == "loha":
        return _half(p, 1) * _half(p, 2)
    if kind == "full":
        return p["diff"].flatten(1)
    first = p["k1"] if "k1" in p else p["k1_a"] @ p["k1_b"]
    if "k2" in p:
        second = p["k2"]
    else:
        second = _tucker(p["kt"], p["k2_a"], p["k2_b"]) if "kt" in p else p["k2_a"] @ p["k2_b"].flatten(1)
    return torch.kron(first.flatten(1).contiguous(), second.flatten(1).contiguous())


def _half(p: Mapping[str, Tensor], i: int) -> Tensor:
    a, b = p[f"w{i}_a"], p[f"w{i}_b"]
    return _tucker(p[f"t{i}"], a, b) if f"t{i}" in p else a @ b.flatten(1)


def _tucker(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """(rows, columns · kernel) of ``core`` (rank, rank, kernel), ``a`` (rank, rows) and ``b`` (rank, columns)."""
    return torch.einsum("ijkl,ip,jr->prkl", core, a, b.flatten(1)).flatten(1)
