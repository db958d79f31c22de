"""Merges LoRAs into the weights of a model: in fp32, in the order given. ``build`` casts the result once.

On the CPU, also for a GPU: in the thread that reads weights, where nothing may use a GPU while graphs are recorded.

For weight W, strength s and a layer's difference D: W + s · scale · D. With DoRA the columns (or rows) of W + scale · D
get the lengths that the file states, and s goes from W to that, as in A1111 and ComfyUI.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from sdbatch.engine import randomised
from sdbatch.errors import ConfigError
from sdbatch.models.lora.file import LoraFile, matched, read
from sdbatch.models.lora.layers import Layer
from sdbatch.models.lora.modules import TEXT, UNET, Modules, modules_of
from sdbatch.models.source import Source
from sdbatch.spec.adapters import Lora

State = dict[str, Tensor]
KEY = "loras"  # of messages


@lru_cache(maxsize=8)
def _file(path: Path, digest: str) -> LoraFile:
    """The LoRA in ``path``. ``digest`` makes a file that was replaced another one."""
    return read(path, f"{KEY} ({digest})")


def _found(lora: Lora, source: Source) -> LoraFile:
    if lora.file not in source.adapters:
        raise ConfigError.one(KEY, f"the file of {lora.name or lora.file} is not known in this run")
    return _file(source.adapters[lora.file], lora.file)


def merged_into(part: str, source: Source) -> tuple[tuple[str, float], ...]:
    """(digest, strength) of the LoRAs that change ``part`` of ``source``, in order. Raises ConfigError."""
    used = ((lora, lora.unet if part == UNET else lora.in_text) for lora in source.model.loras)
    return tuple((lora.file, weight) for lora, weight in used if weight and _found(lora, source).only(part).layers)


def check_loras(source: Source) -> None:
    """Raise ConfigError if a LoRA of ``source`` does not fit its model: also of one that was fetched after planning."""
    for lora in source.model.loras:
        _check(_found(lora, source), replace(source, model=source.model.plain))


@lru_cache(maxsize=64)
def _check(file: LoraFile, source: Source) -> None:
    if (modules := modules_of(source)) is None and source.kind.startswith("random"):
        modules = Modules.of(randomised.shapes(UNET), randomised.shapes(TEXT))
    if modules is not None:
        matched(file, modules, KEY)


def with_loras(part: str, state: State, source: Source) -> State:
    """``state`` of a component of ``source`` with its LoRAs. Raises ConfigError."""
    if part not in (UNET, TEXT) or not source.model.loras:
        return state
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    modules = Modules.of(shapes if part == UNET else {}, shapes if part == TEXT else {})
    changes = []
    for lora in source.model.loras:
        layers = matched(_found(lora, source).only(part), modules, KEY)
        named = {module: layer for (_, module), layer in layers.items()}
        changes.append((named, lora.unet if part == UNET else lora.in_text))
    return merged(state, changes)


@torch.no_grad()
def merged(state: State, changes: Iterable[tuple[Mapping[str, Layer], float]]) -> State:
    """``state`` with ``changes``: (layers by module, strength) in order. Other tensors are shared, none is changed."""
    names = {key.removeprefix("text_model."): key for key in state}
    out: State = {}
    for layers, strength in changes:
        if not strength:
            continue
        for module, layer in layers.items():
            key = names[f"{module}.weight"]
            weight = out[key] if key in out else state[key].to("cpu", torch.float32)
            out[key] = _changed(weight, layer, strength)
    return state | out


def _changed(weight: Tensor, layer: Layer, strength: float) -> Tensor:
    parts = {role: torch.from_numpy(part.read(KEY)) for role, part in layer.parts.items()}
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
