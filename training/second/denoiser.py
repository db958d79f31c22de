"""Fits the text encoder and the denoiser together on latents of 32 x 32 cells, from the weights of today's model.

Against the first generation there is one level more, so that the middle still sees 4 x 4 cells, attention to the words
at two levels, and more latent channels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.denoiser import Lessons, debiased, min_snr
from training.fit import Fit, Recipe, mean_of, run
from training.group_norm import replace_norms
from training.latents import Shelf as OldShelf
from training.render import MODEL
from training.second.captions import caption
from training.second.latents import Shelf
from training.second.pack import unpacked
from training.second.scene import ALL_COLOURS
from training.second.sides import Sides, watch
from training.words import LENGTH

WIDTH = 128
CHANNELS = (48, 96, 160, 160)
RECIPE = Recipe(steps=6000, rate=8e-4, batch=16, warm_up=200, average=0.999, keep_every=100)


class Denoiser(torch.nn.Module):
    """The text encoder and the denoiser."""

    def __init__(self, vocabulary: int, latents: int, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary,
                hidden_size=WIDTH,
                intermediate_size=WIDTH * 3,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=LENGTH,
                projection_dim=WIDTH,
                hidden_act="quick_gelu",
                bos_token_id=vocabulary - 2,
                eos_token_id=vocabulary - 1,
                pad_token_id=vocabulary - 1,
            )
        )
        self.unet = UNet2DConditionModel(
            sample_size=32,
            in_channels=latents,
            out_channels=latents,
            layers_per_block=1,
            block_out_channels=channels,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=[c // 32 for c in channels],
            cross_attention_dim=WIDTH,
            norm_num_groups=16,
        )
        self.colours = torch.nn.Linear(WIDTH, len(ALL_COLOURS))  # for training alone, see sides.py

    def forward(self, noisy: torch.Tensor, step: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The predicted noise."""
        words = self.text_encoder(ids)[0]
        return self.unet(noisy, step, words, return_dict=False)[0]


@torch.no_grad()
def borrow_words(text: CLIPTextModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Copy the old text encoder, and the embedding of every word that the old tokenizer knew."""
    old = {k: v.float() for k, v in load_file(str(next((folder / "text_encoder").glob("*.safetensors")))).items()}
    was, now = CLIPTokenizer.from_pretrained(folder / "tokenizer").get_vocab(), tokenizer.get_vocab()
    for name, value in text.state_dict().items():
        if "token_embedding" in name:
            for word in now.keys() & was.keys():
                value[now[word]] = old[name][was[word]]
        elif name in old and old[name].shape == value.shape:
            value.copy_(old[name])


@torch.no_grad()
def borrow_layers(unet: UNet2DConditionModel, folder: Path) -> list[str]:
    """Copy the old denoiser into the outer levels of the new one; returns the names of what stays new.

    The new lowest level is inserted between the old third level and the old middle. Inputs and outputs for new latent
    channels, and the new attention, start at zero.
    """
    old = {k: v.float() for k, v in load_file(str(next((folder / "unet").glob("*.safetensors")))).items()}
    shifted = {re.sub(r"^up_blocks\.(\d)", lambda m: f"up_blocks.{int(m[1]) + 1}", k): v for k, v in old.items()}
    new = []
    for name, value in unet.state_dict().items():
        source = shifted.get(name)
        if source is not None and source.shape == value.shape:
            value.copy_(source)
        elif source is not None and name.startswith(("conv_in.", "conv_out.")):
            value.zero_()
            value[tuple(slice(0, size) for size in source.shape)] = source
        else:
            new.append(name)
            if "attentions" in name and ".proj_out." in name:
                value.zero_()
    return new


def build(tokenizer: CLIPTokenizer, latents: int, channels: tuple[int, ...], weights: Path | None) -> Denoiser:
    """The denoiser before the first step: from packed `weights`, or with what the shipped model can lend."""
    module = Denoiser(len(tokenizer), latents, channels)
    if weights is not None:
        module.load_state_dict(unpacked(weights, "denoiser"), strict=False)
        return module
    borrow_words(module.text_encoder, tokenizer, MODEL)
    borrow_layers(module.unet, MODEL)
    return module


def train(
    folder: Path,
    recipe: Recipe,
    *,
    shelf: Shelf | OldShelf,
    tokenizer: CLIPTokenizer,
    device: torch.device,
    parts: int,
    channels: tuple[int, ...] = CHANNELS,
    weights: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    budget: float | None = None,
    bfloat16: bool = False,
    early: float | None = None,
    say: Callable[[str], None] = print,
) -> Denoiser:
    """Fit text encoder and denoiser, from the checkpoint if there is one; returns them with the averaged weights.

    `early` weights the noisy steps more, by which pictures follow their prompts better; below 1 it draws them more
    often, too (the power of Lessons).

    `bfloat16` is for processors that have it natively. On two threads of a Zen 4, with two `parts`, the norms of
    training.group_norm and attention without flash kernels, a step takes 0.55 s instead of 1.4 s. Without it (AVX2) the
    usual layout and norms are faster by 15 %.
    """
    layout = torch.channels_last if bfloat16 or device.type == "cuda" else torch.contiguous_format
    torch.manual_seed(recipe.seed)
    latents = next(iter(shelf.stacked.values())).shape[1]
    module = build(tokenizer, latents, channels, weights).to(device)
    module.unet.to(memory_format=layout)
    if device.type == "cpu" and bfloat16:
        replace_norms(module.unet)
    watch(module)
    fit = Fit(module, recipe, parts)
    path = folder / "denoiser.safetensors"
    if fit.load(path):
        say(f"denoiser: continues at step {fit.step}")
    how: dict[str, Any] = {"weights": debiased, "power": early} if early else {"weights": min_snr}
    how["beside"] = Sides(tokenizer)
    lessons = Lessons(shelf, tokenizer, recipe.seed, device, caption, layout=layout, **how)

    def loss_at(replica: torch.nn.Module, step: int, part: int, parts: int) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            return lessons.loss(replica, step, part, recipe.batch // parts)

    # On the CPU the backward pass of flash attention is slower than the plain one.
    with sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext():
        run(fit, path, loss_at, stop=stop, budget=budget, say=say)
    judged = Denoiser(len(tokenizer), latents, channels).to(device)
    fit.load_mean(judged)
    return judged.eval()


def restore(folder: Path, weights: Path | None, vocabulary: int, latents: int) -> Denoiser:
    """Text encoder and denoiser with the averaged weights of the checkpoint in `folder`, or else packed `weights`."""
    module, path = Denoiser(vocabulary, latents), folder / "denoiser.safetensors"
    state = unpacked(weights, "denoiser") if weights and not path.exists() else mean_of(path)
    module.load_state_dict(state, strict=False)
    return module.eval()
