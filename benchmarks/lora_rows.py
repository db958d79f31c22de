"""Whether many weights of a LoRA as rows of one call are faster than merging each:  python -m benchmarks lora_rows

A prototype outside of sdbatch: W x + w · B A x, with its own weight w for each row of a call. It is compared with the
plan 1 LoRA × 10 weights × 8 prompts, of which merging fills all calls: 8 prompts with guidance are 16 rows. The LoRA is
of rank 8. One thread, and seconds of its CPU, which other programs disturb least. ``attention``: as most files, of all
linear layers of the attention blocks. ``all``: of every convolution too.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import process_time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdbatch.config.model import ModelSettings
from sdbatch.engine import architecture
from sdbatch.engine.build import build, empty
from sdbatch.engine.load import read
from sdbatch.engine.merge import difference
from sdbatch.models.locate import locate

CPU = torch.device("cpu")
ROWS, STEPS, WEIGHTS, RANK = 16, 20, 10, 8
SMALL = {"block_out_channels": [64, 128, 256, 256], "sample_size": 16}  # of Stable Diffusion 1.5: 320, 640, 1280, 1280
CASES = {"attention": r"attn|\.ff\.|proj_(in|out)", "all": "."}
Parts = dict[str, dict[str, Tensor]]
State = dict[str, Tensor]


def small() -> tuple[dict[str, Any], State]:
    """The denoiser of Stable Diffusion 1.5 with a fifth of its channels."""
    config = architecture.UNET | SMALL
    generator = torch.Generator().manual_seed(0)
    shapes = {key: p.shape for key, p in empty("unet", config).named_parameters()}
    state = {k: torch.randn(s, generator=generator) * s[1:].numel() ** -0.5 for k, s in shapes.items() if len(s) > 1}
    return config, state | {k: torch.ones(s) for k, s in shapes.items() if len(s) == 1}


def embedded() -> tuple[dict[str, Any], State]:
    """The denoiser of the embedded model."""
    import json

    folder = locate(ModelSettings(kind="tiny")).folder
    assert folder is not None
    (file,) = (folder / "unet").glob("*.safetensors")
    return json.loads((folder / "unet/config.json").read_text()), read(file)


def lora(network: nn.Module, pattern: str) -> Parts:
    """A LoRA by module."""
    generator, out = torch.Generator().manual_seed(1), {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and re.search(pattern, name) and min(module.weight.shape[:2]) > 8:
            down, up = torch.Size([RANK, *module.weight.shape[1:]]), torch.Size([module.weight.shape[0], RANK])
            out[name] = {
                "down": torch.randn(down, generator=generator) * 0.02,
                "up": torch.randn(up, generator=generator) * 0.02,
            }
    return out


@torch.no_grad()
def merged(config: dict[str, Any], state: State, parts: Parts, weight: float) -> nn.Module:
    """The denoiser with the LoRA in its weights, as ``engine.merge`` computes it."""
    changed = dict(state)
    for name, own in parts.items():
        before = state[f"{name}.weight"].float()
        changed[f"{name}.weight"] = before + weight * difference("lora", own).reshape(before.shape)
    return build("unet", (config, changed), CPU, torch.float32)


@contextmanager
def in_rows(network: nn.Module, parts: Parts, weights: Tensor) -> Iterator[None]:
    """The LoRA beside the weights of ``network``, with the weight ``weights[i]`` for row i of a call."""
    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_hook(_beside(own, weights)) for name, own in parts.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _beside(parts: dict[str, Tensor], weights: Tensor) -> Any:
    down, up = parts["down"], parts["up"]

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if isinstance(module, nn.Conv2d):
            inner = functional.conv2d(inputs[0], down, None, module.stride, module.padding)
            return output + functional.conv2d(inner * weights.view(-1, 1, 1, 1), up[:, :, None, None])
        inner = functional.linear(inputs[0], down) * weights.view(-1, *[1] * (inputs[0].ndim - 1))
        return output + functional.linear(inner, up)

    return hook


def measured(part: tuple[dict[str, Any], State], pattern: str, repeats: int) -> dict[str, Any]:
    """Seconds of a call of both kinds, of a merge, and of the whole plan."""
    config, state = part
    plain = build("unet", part, CPU, torch.float32)
    parts = lora(plain, pattern)
    size = config["sample_size"]
    latents = torch.randn(ROWS, 4, size, size).contiguous(memory_format=torch.channels_last)
    text, times = torch.randn(ROWS, 32, config["cross_attention_dim"]), torch.full((ROWS,), 500.0)

    def call(network: nn.Module) -> Tensor:
        return network(latents, times, encoder_hidden_states=text, return_dict=False)[0]  # type: ignore[no-any-return]

    weights = torch.linspace(0.1, 1.0, ROWS)
    seconds: dict[str, list[float]] = {"merge": [], "merged": [], "rows": []}
    for n in range(repeats):
        start = process_time()
        changed = merged(config, state, parts, 0.5)
        seconds["merge"].append(process_time() - start)
        with torch.inference_mode(), in_rows(plain, parts, weights):
            for kind, network in (("merged", changed), ("rows", plain))[:: 1 if n % 2 else -1]:
                start = process_time()
                call(network)
                seconds[kind].append(process_time() - start)
    merge, one, row = (median(seconds[kind][1:]) for kind in ("merge", "merged", "rows"))
    with torch.inference_mode(), in_rows(plain, parts, torch.full((ROWS,), 0.5)):
        apart = (call(plain) - call(changed)).abs().max().item()
    calls = WEIGHTS * STEPS
    return {
        "layers": len(parts),
        "seconds of a merge": round(merge, 4),
        "seconds of a call, merged": round(one, 4),
        "seconds of a call, in rows": round(row, 4),
        "plan, merged": round(WEIGHTS * merge + calls * one, 2),
        "plan, in rows": round(calls * row, 2),
        "in rows / merged": round(calls * row / (WEIGHTS * merge + calls * one), 3),
        "largest difference": apart,
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both models, both kinds of LoRAs."""
    torch.set_num_threads(1)
    repeats = 3 if arguments.quick else 8
    models = {"embedded": embedded(), "small Stable Diffusion 1.5": small()}
    found = {
        name: {case: measured(part, pattern, repeats) for case, pattern in CASES.items()}
        for name, part in models.items()
    }
    return {"rows": ROWS, "steps": STEPS, "weights": WEIGHTS, "rank": RANK, **found}
