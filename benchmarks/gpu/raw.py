"""An engine's parts called directly, past its scheduler. The only file of the benchmarks that uses private names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from sdbatch.engine.denoise import Row
from sdbatch.spec.renderer import Bucket


class Raw:
    """The denoiser and the VAE of ``engine``. Latents are (channels, height, width) on its device."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    @property
    def device(self) -> torch.device:
        return self._engine._device.where  # type: ignore[no-any-return]

    @property
    def network(self) -> Any:
        """The U-Net as the engine calls it (compiled, if it is)."""
        return self._engine.main.denoiser._call

    def rows(self, height: int, width: int) -> int:
        """Rows per call of that bucket."""
        return self._engine._lane(Bucket(height, width, 1)).rows  # type: ignore[no-any-return]

    @torch.inference_mode()
    def row(self, height: int, width: int, seed: int = 0) -> Row:
        """A row with seeded noise and a text of one chunk."""
        noise = torch.randn(4, height, width, generator=torch.Generator().manual_seed(seed))
        return Row(noise.to(self.device), 500.0, self._engine.main.texts.embedding("a photo of a cat"))

    @torch.inference_mode()
    def denoise(self, rows: Sequence[Row], size: int) -> list[torch.Tensor]:
        """Predictions of ``rows`` in one call of ``size`` rows."""
        return self._engine.main.denoiser(rows, size, counted=False)  # type: ignore[no-any-return]

    def call(self, height: int, width: int, size: int) -> Callable[[], Any]:
        """A full call of ``size`` rows, ready to be timed."""
        rows = [self.row(height, width)] * size
        return lambda: self.denoise(rows, size)

    @torch.inference_mode()
    def decode(self, latents: list[torch.Tensor], batch: int, full: bool = False) -> list[Any]:
        """Pictures of at most ``batch`` latents in one VAE call; ``full`` in float32, as broken ones are made again."""
        return self._engine.main.vae.decode(latents, batch, full=full)  # type: ignore[no-any-return]

    def latents(self, height: int, width: int, count: int) -> list[torch.Tensor]:
        return [self.row(height, width, seed).latent for seed in range(count)]
