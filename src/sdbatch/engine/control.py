"""ControlNets in a call: their residuals for every row, each with its own picture, weight and interval, or none.

A ControlNet computes all rows of a call, so shapes never change; rows that it does not control get zeros, which change
nothing. If it controls no row of a call, it is not called. Does not know calls of other shots, and files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdbatch.engine.compiling import compile_blocks
from sdbatch.engine.host import to_device


class Hint(NamedTuple):
    """What one row gets of one ControlNet: the embedded picture (C, h, w), and the scale of each residual."""

    embedded: Tensor
    scales: tuple[float, ...]


Hints = tuple[Hint | None, ...]  # of one row, by ControlNet


class ControlNet:
    """Wraps the network."""

    def __init__(self, module: Any, device: torch.device) -> None:
        self._module = module
        self._dtype: torch.dtype = module.dtype
        self._device = device
        self.residuals = len(module.controlnet_down_blocks) + 1

    def compile(self) -> None:
        """Compile its blocks, each once per shape."""
        compile_blocks(self._module)

    def embed(self, pixels: NDArray[np.uint8]) -> Tensor:
        """What the network needs of a picture (H, W, 3) in all evaluations: (C, h, w)."""
        x = to_device(torch.tensor(pixels), self._device).permute(2, 0, 1)[None].float() / 255
        found: Tensor = self._module.embed(x.to(self._dtype, memory_format=torch.channels_last))
        return found[0]

    def __call__(self, latents: Tensor, times: Tensor, text: Tensor, hints: Sequence[Hint | None]) -> list[Tensor]:
        """The scaled residuals of a call whose rows have ``hints``."""
        some = next(hint.embedded for hint in hints if hint)
        blank = torch.zeros_like(some)
        embedded = torch.stack([hint.embedded if hint else blank for hint in hints])
        found = self._module(latents, times, text, embedded.contiguous(memory_format=torch.channels_last))
        none = (0.0,) * len(found)
        scales = torch.tensor([hint.scales if hint else none for hint in hints], dtype=torch.float32)
        ready = to_device(scales, self._device).to(self._dtype)
        return [residual * ready[:, k, None, None, None] for k, residual in enumerate(found)]


def summed(
    nets: Sequence[ControlNet], hints: Sequence[Hints], latents: Tensor, times: Tensor, text: Tensor
) -> tuple[Tensor, ...]:
    """The residuals of all ``nets``, added in their order; none if no row has a hint."""
    total: tuple[Tensor, ...] = ()
    for k, net in enumerate(nets):
        own = [row[k] if row else None for row in hints]
        if any(own):
            found = net(latents, times, text, own)
            total = tuple(a + b for a, b in zip(total, found, strict=True)) if total else tuple(found)
    return total


def scales(weight: float, guess: bool, count: int) -> tuple[float, ...]:
    """The scale of each of ``count`` residuals; with ``guess`` from a tenth for the first to all for the middle."""
    if not guess:
        return (weight,) * count
    return tuple(weight * 10 ** (k / (count - 1) - 1) for k in range(count))
