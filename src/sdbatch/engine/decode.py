"""Latents to pictures and back: the VAE in calls of a fixed size, guards against broken decodes, uint8 on the device.

If the VAE runs in half precision, a picture that is not finite or has one flat colour is decoded again in fp32 (Stable
Diffusion 1.5's fp16 VAE has this fault). Pictures are copied through pinned memory without synchronizing the device.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sdbatch.engine import tiles
from sdbatch.engine.attention import Order
from sdbatch.engine.compiling import compile_blocks
from sdbatch.engine.host import to_device
from sdbatch.engine.stats import Stats

AGAIN = "decoded again in float32: the half-precision VAE gave a broken picture"
FLAT = "the picture is one flat colour"
KNOWN = 2**25  # bytes of latents of encoded pictures in memory


@dataclass(slots=True)
class Decoded:
    """A picture in transfer to the host: ``pixels`` (H, W, 3) uint8; ``ready``: CUDA event of the transfer, or None."""

    pixels: torch.Tensor
    sound: torch.Tensor  # (2,) bool: finite, not flat
    ready: Any = None

    @property
    def done(self) -> bool:
        return self.ready is None or bool(self.ready.query())

    def take(self) -> tuple[NDArray[np.uint8], bool, bool]:
        """(pixels, finite, varied); waits for the transfer."""
        if self.ready is not None:
            self.ready.synchronize()
        finite, varied = self.sound.tolist()
        return self.pixels.numpy(), finite, varied


class Vae:
    """Encodes and decodes; inputs and outputs are fp32, for every precision of the module."""

    def __init__(self, module: Any, device: torch.device, stats: Stats, order: Order | None = None) -> None:
        self._module = module
        self._full: Any = module if module.dtype == torch.float32 else None
        self._device = device
        self._stats = stats
        self._order = order or Order()
        self._scale = float(module.config["scaling_factor"] or 1.0)
        self._shift = float(module.config.get("shift_factor") or 0.0)
        self._known: OrderedDict[Any, torch.Tensor] = OrderedDict()

    @property
    def half(self) -> bool:
        return bool(self._module.dtype != torch.float32)

    def compile(self) -> None:
        """Compile the decoder's blocks. The encoder runs at most once per shot and is not compiled."""
        if isinstance(decoder := getattr(self._module, "decoder", None), torch.nn.Module):
            compile_blocks(decoder)

    def decode(
        self, latents: list[torch.Tensor], batch: int, full: bool = False, counted: bool = True
    ) -> list[Decoded]:
        """Pictures of at most ``batch`` latents (C, h, w), padded to exactly ``batch``; large ones each in tiles."""
        module = self._in_fp32() if full else self._module
        if tiles.needed(module, *latents[0].shape[-2:]):
            return [self._tiled(module, latent, counted) for latent in latents]
        padded = latents + [latents[0]] * (batch - len(latents))
        z = (torch.stack(padded) / self._scale + self._shift).to(module.dtype, memory_format=torch.channels_last)
        with self._stats.clock("vae", self._device), self._order():
            images = module.decode(z).sample
            out = [self._to_host(image) for image in images[: len(latents)].float()]
        if counted:
            self._stats.decoded(len(latents), batch)
        return out

    def _tiled(self, module: Any, latent: torch.Tensor, counted: bool) -> Decoded:
        z = (latent[None] / self._scale + self._shift).to(module.dtype, memory_format=torch.channels_last)
        with self._stats.clock("vae", self._device), self._order():
            image = tiles.decode(module, z)[0].float()
        if counted:
            self._stats.decoded(1, 1)
        return self._to_host(image)

    def encode(self, pixels: NDArray[Any]) -> torch.Tensor:
        """The latent (C, h, w) of a picture (H, W, 3), 0 to 255: the mean of its distribution, so no noise is drawn.

        Read-only: a picture that several shots start from is encoded once.
        """
        key = (pixels.shape, pixels.dtype.str, blake2b(pixels.tobytes(), digest_size=16).digest())
        if key not in self._known:
            self._known[key] = self._latent(pixels)
        self._known.move_to_end(key)
        while sum(z.nbytes for z in self._known.values()) > KNOWN and len(self._known) > 1:
            self._known.popitem(last=False)
        return self._known[key]

    def _latent(self, pixels: NDArray[Any]) -> torch.Tensor:
        x = to_device(torch.tensor(pixels), self._device).permute(2, 0, 1)[None].float() / 127.5 - 1
        x = x.to(self._module.dtype, memory_format=torch.channels_last)
        with self._stats.clock("vae", self._device), self._order():
            z = self._encoded(x)
        latent: torch.Tensor = ((z[0].float() - self._shift) * self._scale).contiguous()
        return latent

    def _encoded(self, x: torch.Tensor) -> torch.Tensor:
        module = self._module
        side = 2 ** (len(module.config["block_out_channels"]) - 1)
        if tiles.needed(module, x.shape[-2] // side, x.shape[-1] // side):
            return tiles.encode(module, x)
        found = module.encode(x)
        z: torch.Tensor = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
        return z

    def _to_host(self, image: torch.Tensor) -> Decoded:
        """Start the transfer of ``image`` (3, H, W), −1…1, fp32. Rounding in fp32 gives diffusers' bits."""
        finite = torch.isfinite(image).all()
        sound = torch.stack([finite, image.amax() > image.amin()])
        pixels = ((image * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
        if self._device.type != "cuda":
            return Decoded(pixels.cpu(), sound.cpu())
        host = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in (pixels, sound)]
        for to, tensor in zip(host, (pixels, sound), strict=True):
            to.copy_(tensor, non_blocking=True)
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record()
        return Decoded(host[0], host[1], ready)

    def _in_fp32(self) -> Any:
        if self._full is None:
            self._full = copy.deepcopy(self._module).float()  # blocks are not compiled in a copy
        return self._full
