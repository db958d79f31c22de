"""What could be faster, tried outside the engine: attention kernels, and the call as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.gpu.basics import answer
from benchmarks.gpu.raw import Raw
from benchmarks.gpu.setting import Bench
from benchmarks.gpu.timing import timed, wait

BACKENDS = (
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
)
HEADS = 8
WIDTHS = {1: 40, 2: 80, 4: 160}  # of a head, by how many times the level is smaller than the latent
TEXT = 77


def attention(bench: Bench) -> dict[str, Any]:
    """Every attention kernel at the U-Net's shapes, to itself and to the text: time, and equal bits in any slot."""
    rows, device = bench.setting.rows[0], bench.setting.device
    dtype = torch.bfloat16 if bench.rehearsed else torch.float16
    found: dict[str, Any] = {}
    for smaller, width in WIDTHS.items():
        tokens = (bench.setting.side // smaller) ** 2
        for keys in (tokens, TEXT):
            q = torch.randn(rows, HEADS, tokens, width, device=device, dtype=dtype)
            k, v = (torch.randn(rows, HEADS, keys, width, device=device, dtype=dtype) for _ in range(2))
            found[f"{tokens} to {keys}, {width} wide"] = {
                backend.name.lower(): answer(
                    lambda b=backend, q=q, k=k, v=v: _attend(b, q, k, v, bench.setting.repeats)
                )
                for backend in BACKENDS
            }
    return found


def _attend(backend: SDPBackend, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, repeats: int) -> dict[str, Any]:
    with torch.inference_mode(), sdpa_kernel(backend):
        there = scaled_dot_product_attention(q, k, v)[0]
        moved = scaled_dot_product_attention(q.roll(-1, 0), k.roll(-1, 0), v.roll(-1, 0))[-1]
        return {
            **timed(lambda: scaled_dot_product_attention(q, k, v), repeats),
            "same_bits_in_another_slot": torch.equal(there, moved),
        }


def graph(bench: Bench) -> dict[str, Any]:
    """The U-Net's call recorded as a CUDA graph: no launching, and are bits those of the eager call?"""
    raw, side = Raw(bench.engine()), bench.setting.side
    return {f"{n} rows": answer(lambda n=n: _replayed(bench, raw, side, n)) for n in bench.setting.rows}


@torch.inference_mode()
def _replayed(bench: Bench, raw: Raw, side: int, rows: int) -> dict[str, Any]:
    row, network = raw.row(side, side), raw.network
    latents = torch.stack([row.latent] * rows).to(row.text.dtype).contiguous(memory_format=torch.channels_last)
    times = torch.full((rows,), row.timestep, device=raw.device)
    text = torch.stack([row.text] * rows)

    def call() -> torch.Tensor:
        return network(latents, times, encoder_hidden_states=text, return_dict=False)[0]  # type: ignore[no-any-return]

    eager = call().clone()
    replay, out = (call, call()) if bench.rehearsed else _recorded(call)
    replay()
    wait()
    return {
        "eager": timed(call, bench.setting.repeats),
        "replayed": timed(replay, bench.setting.repeats),
        "same_bits_as_eager": torch.equal(out, eager),
    }


def _recorded(call: Callable[[], torch.Tensor]) -> tuple[Callable[[], Any], torch.Tensor]:
    """(the function that replays the call, its output)."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        out = call()
    return recorded.replay, out
