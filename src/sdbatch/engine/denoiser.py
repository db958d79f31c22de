"""The denoiser's call: exactly R rows in, R predictions out, in one fixed shape per bucket. Does not know shots."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sdbatch.engine.attention import Order
from sdbatch.engine.compiling import compile_blocks
from sdbatch.engine.control import ControlNet, summed
from sdbatch.engine.denoise import Row
from sdbatch.engine.full_rows import full_rows
from sdbatch.engine.graphs import Graphs, Record
from sdbatch.engine.host import to_device
from sdbatch.engine.stats import Stats
from sdbatch.models.source import INPAINTING


class Denoiser:
    """Wraps the U-Net: stacks and pads rows, runs the network in its precision, returns fp32."""

    def __init__(self, module: Any, device: torch.device, stats: Stats, order: Order | None = None) -> None:
        self._module = module
        self._dtype: torch.dtype = module.dtype
        self.inpaints = getattr(module, "config", {}).get("in_channels") == INPAINTING
        self.size = sum(p.numel() for p in module.parameters())
        self._device = device
        self._stats = stats
        self._order = order or Order()
        self._graphs: Graphs | None = None
        self._graphed = 0
        self._nets: tuple[ControlNet, ...] = ()

    def controlled(self, nets: Sequence[ControlNet]) -> Denoiser:
        """The same network, with ``nets`` for rows with hints. Such calls are not replayed from graphs."""
        made = copy.copy(self)
        made._nets = tuple(nets)
        return made

    def compile(self) -> None:
        """Compile its blocks, each once per shape."""
        compile_blocks(self._module)

    def graph(self, size: int, record: Record) -> None:
        """Replay calls of ``size`` rows from CUDA graphs that ``record`` makes; 0: none."""
        self._graphs, self._graphed = Graphs(self._call, record), size

    def full_rows(self, rows: int) -> None:
        """Prepare calls of fewer than ``rows`` rows to give the same bits."""
        full_rows(self._module, rows)

    def __call__(self, rows: Sequence[Row], size: int, counted: bool = True) -> list[Tensor]:
        """The predictions (C, h, w), fp32, of ``rows``, which are padded to ``size``."""
        padded = [*rows, *[rows[0]] * (size - len(rows))]
        with self._stats.clock("denoiser", self._device), self._order():
            latents = torch.stack([row.latent for row in padded])
            latents = latents.to(self._dtype).contiguous(memory_format=torch.channels_last)
            text = torch.stack([row.text for row in padded])
            times = to_device(torch.tensor([row.timestep for row in padded], dtype=torch.float32), self._device)
            residuals = summed(self._nets, [row.hints for row in padded], latents, times, text)
            if self.inpaints:
                pictures = torch.stack([blank(row.latent) if row.picture is None else row.picture for row in padded])
                latents = torch.cat([latents, pictures.to(self._dtype)], 1)
                latents = latents.contiguous(memory_format=torch.channels_last)
            graphed = self._graphs is not None and size == self._graphed and not residuals
            call = self._graphs if graphed and self._graphs else self._call
            out = call(latents, times, text, *residuals).float().contiguous()
        if counted:
            self._stats.called(len(rows), size)
        return list(out[: len(rows)])

    def _call(self, latents: Tensor, times: Tensor, text: Tensor, *residuals: Tensor) -> Tensor:
        more = {"residuals": residuals} if residuals else {}  # diffusers' own class has no such argument
        out: Tensor = self._module(latents, times, encoder_hidden_states=text, return_dict=False, **more)[0]
        return out


def blank(latent: Tensor) -> Tensor:
    """What an inpainting model sees of no picture (C + 1, h, w), in the shape of ``latent`` (C, h, w)."""
    return torch.cat([torch.ones_like(latent[:1]), torch.zeros_like(latent)])
