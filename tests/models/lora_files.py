"""LoRA files in every layout, and what each adds to a weight, computed with numpy from the formulas of the papers.

Written independently of ``models.lora`` and ``engine.merge``: tests compare them with this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

Array = Any  # arrays and numpy's scalars
Made = tuple[dict[str, Array], Callable[[Array], Array]]  # parts by ending, the weight in fp64 → its merged value at 1

Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0"
PROJ = "down_blocks.0.attentions.0.proj_in"
CONV = "down_blocks.0.resnets.0.conv1"
TEXT_Q = "text_model.encoder.layers.0.self_attn.q_proj"
TEXT_FC = "text_model.encoder.layers.1.mlp.fc1"


def numbers(*shape: int, seed: int = 0, size: float = 0.3) -> Array:
    return (np.random.default_rng([seed, *shape]).normal(size=shape) * size).astype(np.float32)


@dataclass(frozen=True)
class Layout:
    """``name`` of a module (part, diffusers' path) in the file; ``layer`` makes its parts for a weight's shape."""

    name: Callable[[str, str], str]
    layer: Callable[[tuple[int, ...], int], Made]
    convolutions: bool = True


def kohya(part: str, path: str) -> str:
    return f"lora_{'te' if part == 'text_encoder' else 'unet'}_{path.replace('.', '_')}"


def dotted(part: str, path: str) -> str:
    return f"{part}.{path}"


def peft(part: str, path: str) -> str:
    return f"base_model.model.{path}"


def _kernel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[2:]


def plain(down: str, up: str, alpha: float | None = 2.0, rank: int = 4) -> Callable[[tuple[int, ...], int], Made]:
    """LoRA and LoCon: W + alpha / rank · up · down."""

    def make(shape: tuple[int, ...], seed: int) -> Made:
        ones = (1,) * len(_kernel(shape))
        a, b = numbers(rank, *shape[1:], seed=seed), numbers(shape[0], rank, *ones, seed=seed + 1)
        scale = 1.0 if alpha is None else alpha / rank
        parts = {down: a, up: b} | ({} if alpha is None else {".alpha": np.float32(alpha)})

        def merge(w: Array) -> Array:
            delta = np.zeros(w.shape)
            for r in range(rank):
                delta += b[:, r].reshape(-1, *[1] * (w.ndim - 1)) * a[r].astype(float)
            return w + scale * delta

        return parts, merge

    return make


def tucker(shape: tuple[int, ...], seed: int) -> Made:
    """LoCon with a convolution between: kernels in ``mid`` only; other weights as LoRA."""
    if len(shape) < 4 or shape[2:] == (1, 1):
        return plain(".lora_down.weight", ".lora_up.weight")(shape, seed)
    rank = 3
    a, m = numbers(rank, shape[1], 1, 1, seed=seed), numbers(rank, rank, *shape[2:], seed=seed + 1)
    b = numbers(shape[0], rank, 1, 1, seed=seed + 2)
    parts = {".lora_down.weight": a, ".lora_mid.weight": m, ".lora_up.weight": b, ".alpha": np.float32(1.5)}

    def merge(w: Array) -> Array:
        delta = np.zeros(w.shape)
        for i in range(rank):
            for j in range(rank):
                delta += np.multiply.outer(np.outer(b[:, i, 0, 0], a[j, :, 0, 0]), m[i, j]).astype(float)
        return w + 0.5 * delta

    return parts, merge


def loha(shape: tuple[int, ...], seed: int) -> Made:
    rank, columns = 3, int(np.prod(shape[1:]))
    p = [numbers(*s, seed=seed + i) for i, s in enumerate([(shape[0], rank), (rank, columns)] * 2)]
    names = (".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b")
    parts = dict(zip(names, p, strict=True)) | {".alpha": np.float32(6.0)}
    return parts, lambda w: w + 2.0 * ((p[0] @ p[1]) * (p[2] @ p[3])).reshape(w.shape)


def loha_tucker(shape: tuple[int, ...], seed: int) -> Made:
    if len(shape) < 4:
        return loha(shape, seed)
    rank = 2
    a, b = ([numbers(rank, shape[axis], seed=seed + 2 * axis + i) for i in (0, 1)] for axis in (0, 1))
    t = [numbers(rank, rank, *shape[2:], seed=seed + 8 + i) for i in (0, 1)]
    parts = {".alpha": np.float32(1.0)}
    for i in (0, 1):
        parts |= {f".hada_w{i + 1}_a": a[i], f".hada_w{i + 1}_b": b[i], f".hada_t{i + 1}": t[i]}

    def half(i: int) -> Any:
        return sum(
            np.multiply.outer(np.outer(a[i][p], b[i][q]), t[i][p, q]).astype(float)
            for p in range(rank)
            for q in range(rank)
        )

    return parts, lambda w: w + 0.5 * half(0) * half(1)


def lokr(split: bool, kernels: bool = False) -> Callable[[tuple[int, ...], int], Made]:
    """Kronecker products; ``split``: the second factor is a product (with kernels, of Tucker's form)."""

    def make(shape: tuple[int, ...], seed: int) -> Made:
        c, d, rank = shape[0] // 4, shape[1] // 2, 2
        k1 = numbers(4, 2, seed=seed)
        parts: dict[str, Array] = {".lokr_w1": k1}
        if not split:
            k2: Any = numbers(c, d, *shape[2:], seed=seed + 1)
            parts |= {".lokr_w2": k2, ".alpha": np.float32(7.0)}  # without a product there is no rank, and no scale
            scale = 1.0
        elif kernels and len(shape) == 4:
            a, b = numbers(rank, c, seed=seed + 1), numbers(rank, d, seed=seed + 2)
            t = numbers(rank, rank, *shape[2:], seed=seed + 3)
            k2 = sum(np.multiply.outer(np.outer(a[p], b[q]), t[p, q]) for p in range(rank) for q in range(rank))
            parts |= {".lokr_w2_a": a, ".lokr_w2_b": b, ".lokr_t2": t, ".alpha": np.float32(1.0)}
            scale = 0.5
        else:
            a, b = numbers(c, rank, seed=seed + 1), numbers(rank, int(np.prod((d, *shape[2:]))), seed=seed + 2)
            k2 = (a @ b).reshape(c, d, *shape[2:])
            parts |= {".lokr_w2_a": a, ".lokr_w2_b": b, ".alpha": np.float32(1.0)}
            scale = 0.5

        def merge(w: Array) -> Array:
            delta = np.zeros(w.shape)
            for i in range(4):
                for j in range(2):
                    delta[i * c : (i + 1) * c, j * d : (j + 1) * d] = k1[i, j] * k2.astype(float)
            return w + scale * delta

        return parts, merge

    return make


def dora(down: str, up: str, lengths: str, by_row: bool, alpha: float | None = 2.0) -> Callable[..., Made]:
    """DoRA: as LoRA, then every row (or column) of the merged weight gets a given length."""

    def make(shape: tuple[int, ...], seed: int) -> Made:
        parts, merge = plain(down, up, alpha)(shape, seed)
        axes = tuple(i for i in range(len(shape)) if i != (0 if by_row else 1))
        kept = [n if i not in axes else 1 for i, n in enumerate(shape)]
        size = 1 + np.abs(numbers(*kept, seed=seed + 5))
        flat = lengths == ".lora_magnitude_vector" and len(shape) == 2
        parts[lengths] = size.reshape(-1) if flat else size

        def directed(w: Array) -> Array:
            whole = merge(w)
            return whole * size / np.sqrt((whole**2).sum(axes, keepdims=True))

        return parts, directed

    return make


LAYOUTS: dict[str, Layout] = {
    "kohya": Layout(kohya, plain(".lora_down.weight", ".lora_up.weight"), False),
    "kohya_no_alpha": Layout(kohya, plain(".lora_down.weight", ".lora_up.weight", None), False),
    "locon": Layout(kohya, plain(".lora_down.weight", ".lora_up.weight", 3.0)),
    "locon_tucker": Layout(kohya, tucker),
    "loha": Layout(kohya, loha),
    "loha_tucker": Layout(kohya, loha_tucker),
    "lokr": Layout(kohya, lokr(False)),
    "lokr_split": Layout(kohya, lokr(True)),
    "lokr_tucker": Layout(kohya, lokr(True, True)),
    "dora_columns": Layout(kohya, dora(".lora_down.weight", ".lora_up.weight", ".dora_scale", False)),
    "dora_rows": Layout(kohya, dora(".lora_down.weight", ".lora_up.weight", ".dora_scale", True)),
    "diffusers": Layout(dotted, plain(".lora_A.weight", ".lora_B.weight", None)),
    "diffusers_dora": Layout(
        dotted, dora(".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector", True, None), False
    ),
    "diffusers_old": Layout(dotted, plain(".lora.down.weight", ".lora.up.weight", None), False),
    "peft": Layout(peft, plain(".lora_A.weight", ".lora_B.weight", None)),
}
LINEAR = {Q: (32, 32), OUT: (32, 32), TEXT_Q: (32, 32), TEXT_FC: (64, 32)}
KERNELS = {PROJ: (32, 32, 1, 1), CONV: (32, 32, 3, 3)}


def write(
    path: Path, layout: str, seed: int = 0, modules: Mapping[str, tuple[int, ...]] | None = None
) -> dict[tuple[str, str], Callable[[Array], Array]]:
    """A file in ``layout``; returns how each (part, module) is merged."""
    kind = LAYOUTS[layout]
    chosen = modules or {**LINEAR, **(KERNELS if kind.convolutions else {})}
    tensors: dict[str, Array] = {}
    merges = {}
    for i, (module, shape) in enumerate(chosen.items()):
        part = "text_encoder" if module.startswith("text_model") else "unet"
        parts, merges[part, module.removeprefix("text_model.")] = kind.layer(shape, seed + 20 * i)
        tensors |= {kind.name(part, module) + ending: np.ascontiguousarray(a) for ending, a in parts.items()}
    save_file(tensors, path)
    return merges
