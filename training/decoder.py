"""Finishes the decoder on whole pictures while the encoder, and with it every cached latent, stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from training.autoencoder import error_of, quality, to_signed
from training.fit import Fit, Recipe, mean_of, run
from training.latents import Shelf
from training.painter import paint

NOISE = 0.03
RECIPE = Recipe(steps=6000, rate=1e-3, batch=2, warm_up=50, average=0.998)


class Decoder(torch.nn.Module):
    """The decoding half of an autoencoder."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.post_quant_conv = vae.post_quant_conv
        self.decoder = vae.decoder

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Pictures of latents."""
        return self.decoder(self.post_quant_conv(z))


def apply(vae: AutoencoderKL, path: Path) -> AutoencoderKL:
    """Put the averaged decoder of a checkpoint into an autoencoder, if there is one."""
    if path.exists():
        Decoder(vae).load_state_dict(mean_of(path), strict=True)
    return vae


def train(
    folder: Path,
    recipe: Recipe,
    vae: AutoencoderKL,
    *,
    shelf: Shelf,
    device: torch.device,
    parts: int,
    say: Callable[[str], None] = print,
) -> AutoencoderKL:
    """Fit the decoder, from the checkpoint if there is one; returns the autoencoder with the averaged decoder."""
    path = folder / "decoder.safetensors"
    module = Decoder(vae).requires_grad_(True).train()
    fit = Fit(module, recipe, parts)
    if fit.load(path):
        say(f"decoder: continues at step {fit.step}")

    def loss_at(replica: torch.nn.Module, step: int, part: int, parts: int) -> torch.Tensor:
        ratio = shelf.ratio_at(np.random.default_rng([recipe.seed, 9, step]))
        rng = np.random.default_rng([recipe.seed, 10, step, part])
        picked = rng.integers(len(shelf.scenes[ratio]), size=recipe.batch // parts)
        x = to_signed(np.stack([paint(shelf.scenes[ratio][int(i)]) for i in picked]), device)
        z = shelf.stacked[ratio][torch.from_numpy(picked)].float()
        z = z + NOISE * torch.randn(z.shape, generator=torch.Generator().manual_seed(step * 64 + part))
        return error_of(replica(z.to(device).contiguous(memory_format=torch.channels_last)) - x)

    run(fit, path, loss_at, say=say)
    fit.load_mean(module)
    say(f"decoder: PSNR {quality(vae.eval())[0]:.2f} dB")
    return vae
