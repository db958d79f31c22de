"""The denoiser's call: exactly R rows in, R predictions out, in one fixed shape per bucket. Knows no shots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sdbatch.engine.denoise import Row
from sdbatch.engine.device import attention_priority
from sdbatch.engine.stats import Stats


class Denoiser:
    """Wraps the U-Net: packs rows, pads, runs it in its precision, gives back fp32."""

    def __init__(self, module: Any, device: torch.device, stats: Stats) -> None:
        self._call = module
        self._dtype: torch.dtype = module.dtype
        self.size = sum(p.numel() for p in module.parameters())
        self._device = device
        self._stats = stats

    def compile(self) -> None:
        """Compile once per call shape (bucket)."""
        self._call = torch.compile(self._call, dynamic=False)

    def __call__(self, rows: Sequence[Row], size: int, counted: bool = True) -> list[torch.Tensor]:
        """Predictions (C, h, w), fp32, of ``rows``; the call has ``size`` rows whatever their number."""
        padded = [*rows, *[rows[0]] * (size - len(rows))]
        with self._stats.clock("denoiser", self._device), attention_priority(self._device):
            latents = torch.stack([row.latent for row in padded])
            latents = latents.to(self._dtype).contiguous(memory_format=torch.channels_last)
            text = torch.stack([row.text for row in padded])
            out = self._call(latents, self._times(padded), encoder_hidden_states=text, return_dict=False)[0]
            out = out.float().contiguous()
        if counted:
            self._stats.called(len(rows), size)
        return list(out[: len(rows)])

    def _times(self, rows: Sequence[Row]) -> torch.Tensor:
        times = torch.tensor([row.timestep for row in rows], dtype=torch.float32)
        if self._device.type == "cuda":
            return times.pin_memory().to(self._device, non_blocking=True)
        return times.to(self._device)
