"""Fits the autoencoder: 8 x 8 pixels to one cell of four numbers, on crops of freshly painted scenes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL

from training.fit import Fit, Recipe, mean_of, run
from training.painter import paint
from training.scene import draw_scene

CROP = 64
# From this share of the steps on, whole pictures take the place of crops (four crops are as large as one picture).
WHOLE = 0.7
NOISE = 0.05
RECIPE = Recipe(steps=7500, rate=1.6e-3, batch=8, average=0.999)


def build() -> AutoencoderKL:
    """The autoencoder, untrained."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=128,
        force_upcast=False,
    )


def to_signed(pixels: np.ndarray | torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
    """Pixels (batch, height, width, 3) of 0–255 as channels-first numbers of -1 to 1."""
    t = torch.as_tensor(pixels).to(device).movedim(-1, -3).float()
    return (t / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)


class Album:
    """Painted scenes in memory, and batches of crops that depend only on the step."""

    def __init__(self, count: int, seed: int) -> None:
        self.seed = seed
        self.pictures = [paint(draw_scene(seed * 1_000_003 + i)) for i in range(count)]
        self.by_size: dict[tuple[int, ...], list[np.ndarray]] = {}

    def crops(self, step: int, part: int, batch: int) -> np.ndarray:
        """A batch of random crops."""
        rng = np.random.default_rng([self.seed, 5, step, part])
        out = np.empty((batch, CROP, CROP, 3), np.uint8)
        for i in range(batch):
            picture = self.pictures[int(rng.integers(len(self.pictures)))]
            top = int(rng.integers(picture.shape[0] - CROP + 1))
            left = int(rng.integers(picture.shape[1] - CROP + 1))
            out[i] = picture[top : top + CROP, left : left + CROP]
        return out

    def whole(self, step: int, part: int, count: int) -> np.ndarray:
        """A batch of whole pictures of one size."""
        rng = np.random.default_rng([self.seed, 6, step, part])
        size = self.pictures[int(rng.integers(len(self.pictures)))].shape
        same = self.by_size.setdefault(size, [p for p in self.pictures if p.shape == size])
        return np.stack([same[int(i)] for i in rng.integers(len(same), size=count)])


def error_of(error: torch.Tensor) -> torch.Tensor:
    """Squared, absolute and gradient error, and the error of areas, without which colour comes late."""
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    coarse = F.avg_pool2d(error, 8).square().mean() * 4 + F.avg_pool2d(error, 4).square().mean() * 2
    return error.square().mean() + coarse + 0.1 * error.abs().mean() + 0.1 * edges


def loss_of(model: AutoencoderKL, x: torch.Tensor, seed: int) -> torch.Tensor:
    """The error of pictures sent through the autoencoder; a little noise on the latents keeps them smooth."""
    mean = model.encode(x).latent_dist.mean
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed)).to(mean)
    y = model.decode(mean + NOISE * noise).sample
    return error_of(y - x) + 1e-4 * mean.square().mean()


@torch.no_grad()
def quality(model: AutoencoderKL, count: int = 48, seed: int = 900_000_000) -> tuple[float, float]:
    """PSNR in dB over unseen scenes (of the mean squared error of each, averaged), and the latents' deviation."""
    values, spreads = [], []
    device = next(model.parameters()).device
    for i in range(count):
        x = to_signed(paint(draw_scene(seed + i))[None], device)
        z = model.encode(x).latent_dist.mode()
        y = model.decode(z).sample.clamp(-1, 1)
        values.append(10 * torch.log10(4.0 / (y - x).square().mean()).item())
        spreads.append(z.square().mean().item())
    return float(np.mean(values)), float(np.mean(spreads)) ** 0.5


def train(
    folder: Path,
    recipe: Recipe,
    device: torch.device,
    *,
    parts: int,
    pictures: int = 5000,
    say: Callable[[str], None] = print,
) -> AutoencoderKL:
    """Fit the autoencoder, from the checkpoint if there is one; returns it with the averaged weights."""
    torch.manual_seed(recipe.seed)
    model = build().to(device, memory_format=torch.channels_last)
    fit = Fit(model, recipe, parts)
    path = folder / "autoencoder.safetensors"
    if fit.load(path):
        say(f"autoencoder: continues at step {fit.step}")
    judged = build().to(device, memory_format=torch.channels_last).eval()

    def check() -> str:
        fit.load_mean(judged)
        return "PSNR {:.2f} dB, spread {:.3f}".format(*quality(judged))

    if fit.step < recipe.steps:
        album = Album(pictures, recipe.seed + 1)
        say(f"autoencoder: {len(album.pictures)} scenes painted")

        def loss_at(module: AutoencoderKL, step: int, part: int, parts: int) -> torch.Tensor:
            count = recipe.batch // parts
            whole = step >= WHOLE * recipe.steps
            pixels = album.whole(step, part, max(1, count // 4)) if whole else album.crops(step, part, count)
            x = to_signed(pixels, device)
            return loss_of(module, x, step * 64 + part)

        run(fit, path, loss_at, check=check, check_every=1000, say=say)
    fit.load_mean(judged)
    return judged


def restore(path: Path, device: torch.device) -> AutoencoderKL:
    """The autoencoder with the averaged weights of a checkpoint."""
    model = build()
    model.load_state_dict(mean_of(path), strict=True)
    return model.to(device, memory_format=torch.channels_last).eval()
