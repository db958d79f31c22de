"""Does it run at all: the card's own speed, and the settings that opening an engine leaves behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.gpu.setting import Bench, opening
from benchmarks.gpu.timing import timed
from benchmarks.settings import torch_settings


def device(bench: Bench) -> dict[str, Any]:
    """What the card reaches at best: half-precision products and copies in its memory."""
    where, repeats = bench.setting.device, bench.setting.repeats
    side, size = (64, 2**20) if bench.rehearsed else (8192, 2**30)
    x = torch.randn(side, side, device=where, dtype=torch.bfloat16 if bench.rehearsed else torch.float16)
    y = torch.empty(size, device=where, dtype=torch.uint8)
    product, copy = timed(lambda: x @ x, repeats)["stream"], timed(y.clone, repeats)["stream"]
    return {
        "matmul_tflops": round(2 * side**3 / max(product, 1e-3) / 1e9, 2),
        "copy_gb_per_second": round(2 * size / max(copy, 1e-3) / 1e6, 1),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def flags(bench: Bench) -> dict[str, Any]:
    """Whether the engine opens, torch's settings then, and whether every precision still multiplies under them."""
    ours = bench.engine()
    dtypes = (torch.float32, torch.bfloat16) if bench.rehearsed else (torch.float32, torch.bfloat16, torch.float16)
    return {
        "settings": torch_settings(),
        "products": {str(d): answer(_product(d, bench.setting.device)) for d in dtypes},
        "profile": ours.profile.asdict(),
        "verdict": ours.profile.exact,
        "opening": opening(ours),
    }


def _product(dtype: torch.dtype, device: str) -> Callable[[], Any]:
    def multiply() -> None:
        x = torch.randn(64, 64, device=device).to(dtype)
        torch.mm(x, x).sum().item()

    return multiply


def answer(call: Callable[[], Any]) -> Any:
    """What ``call`` returns (``True`` for nothing), or its error in words: one refusal is to hide no other result."""
    try:
        found = call()
    except Exception as e:
        return f"{type(e).__name__}: {str(e).splitlines()[0][:200]}"
    return True if found is None else found
