"""Fits the text encoder and the denoiser together on the latents: noise prediction on Stable Diffusion's schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import caption
from training.fit import Fit, Recipe, mean_of, run
from training.latents import Shelf
from training.words import LENGTH

WIDTH = 128
CHANNELS = (48, 96, 160)
SILENT = 0.10
MIN_SNR = 5.0
RECIPE = Recipe(steps=5600, rate=1.2e-3, batch=32, warm_up=200, average=0.999)


class Denoiser(torch.nn.Module):
    """The text encoder and the denoiser."""

    def __init__(self, vocabulary: int, channels: tuple[int, ...] = CHANNELS, width: int = WIDTH) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary,
                hidden_size=width,
                intermediate_size=width * 3,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=LENGTH,
                projection_dim=width,
                hidden_act="quick_gelu",
                bos_token_id=vocabulary - 2,
                eos_token_id=vocabulary - 1,
                pad_token_id=vocabulary - 1,
            )
        )
        self.unet = UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=channels,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=[c // 32 for c in channels],
            cross_attention_dim=width,
            norm_num_groups=16,
        )

    def forward(self, noisy: torch.Tensor, step: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The predicted noise."""
        words = self.text_encoder(ids)[0]
        return self.unet(noisy, step, words, return_dict=False)[0]


def remaining() -> torch.Tensor:
    """How much of the signal's power is left at each of the 1000 steps (`scaled_linear`, 0.00085 to 0.012)."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0)


def min_snr(snr: torch.Tensor) -> torch.Tensor:
    """Weights of the noise's squared error: those of Min-SNR (Hang and others 2023, arXiv:2303.09556)."""
    return snr.clamp(max=MIN_SNR) / snr


def debiased(snr: torch.Tensor) -> torch.Tensor:
    """Weights that give the noisiest steps, where sky and layout are decided, up to 33 times those of `min_snr`.

    Below MIN_SNR they go as one over the root of the signal-to-noise ratio (Yu and others 2023, arXiv:2310.08442).
    """
    return torch.where(snr > MIN_SNR, MIN_SNR / snr, (MIN_SNR / snr).sqrt())


class Lessons:
    """Batches of latents, noise, steps and captions that depend only on the number of the step."""

    def __init__(
        self,
        shelf: Any,
        tokenizer: CLIPTokenizer,
        seed: int,
        device: torch.device,
        say: Callable[..., str] = caption,
        *,
        layout: torch.memory_format = torch.channels_last,
        weights: Callable[[torch.Tensor], torch.Tensor] = min_snr,
        power: float = 1.0,
        beside: Callable[[torch.nn.Module, torch.Tensor, list[Any], int], torch.Tensor] | None = None,
    ) -> None:
        """`power` is that of the share of the schedule, drawn evenly: below 1 noisy steps come more often.

        `beside` is a loss that is added: (module, token ids, scenes, width of the latents).
        """
        self.layout, self.weights, self.power, self.beside = layout, weights, power, beside
        self.shelf, self.tokenizer, self.seed, self.device, self.say = shelf, tokenizer, seed, device, say
        self.alphas = remaining().float().to(device)

    def loss(self, module: torch.nn.Module, step: int, part: int, count: int) -> torch.Tensor:
        """The weighted squared error of the predicted noise over `count` pictures of one ratio."""
        ratio = self.shelf.ratio_at(np.random.default_rng([self.seed, 7, step]))
        rng = np.random.default_rng([self.seed, 8, step, part])
        picked = self.shelf.pick(rng, ratio, count)
        scenes = [self.shelf.scenes[ratio][int(i)] for i in picked]
        texts = ["" if rng.random() < SILENT else self.say(scene, rng) for scene in scenes]
        ids = self.tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step * 64 + part)
        clean = self.shelf.stacked[ratio][torch.from_numpy(picked)].float()
        noise = torch.randn(clean.shape, generator=generator)
        times = (1000 * torch.rand(count, generator=generator) ** self.power).long().clamp(max=999)
        clean, noise, times = clean.to(self.device), noise.to(self.device), times.to(self.device)
        kept = self.alphas[times].view(-1, 1, 1, 1)
        noisy = (kept.sqrt() * clean + (1 - kept).sqrt() * noise).contiguous(memory_format=self.layout)
        words = ids.input_ids.to(self.device)
        error = (module(noisy, times, words) - noise).square().mean(dim=(1, 2, 3))
        loss = (error * self.weights((kept / (1 - kept)).flatten())).mean()
        return loss + self.beside(module, words, scenes, clean.shape[3]) if self.beside else loss


def train(
    folder: Path,
    recipe: Recipe,
    *,
    shelf: Shelf,
    tokenizer: CLIPTokenizer,
    device: torch.device,
    parts: int,
    channels: tuple[int, ...] = CHANNELS,
    say: Callable[[str], None] = print,
) -> Denoiser:
    """Fit text encoder and denoiser, from the checkpoint if there is one; returns them with the averaged weights."""
    torch.manual_seed(recipe.seed)
    module = Denoiser(len(tokenizer), channels).to(device)
    module.unet.to(memory_format=torch.channels_last)
    fit = Fit(module, recipe, parts)
    path = folder / "denoiser.safetensors"
    if fit.load(path):
        say(f"denoiser: continues at step {fit.step}")
    lessons = Lessons(shelf, tokenizer, recipe.seed, device)

    def loss_at(replica: torch.nn.Module, step: int, part: int, parts: int) -> torch.Tensor:
        return lessons.loss(replica, step, part, recipe.batch // parts)

    run(fit, path, loss_at, say=say)
    judged = Denoiser(len(tokenizer), channels).to(device)
    fit.load_mean(judged)
    return judged.eval()


def restore(path: Path, vocabulary: int, channels: tuple[int, ...] = CHANNELS) -> Denoiser:
    """Text encoder and denoiser with the averaged weights of a checkpoint."""
    module = Denoiser(vocabulary, channels)
    module.load_state_dict(mean_of(path), strict=False)
    return module.eval()
