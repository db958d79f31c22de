"""Fits the autoencoder on pictures of 256 x 256 pixels in area, from the weights of the first generation.

The latents get more channels: the new ones start without effect, so that the first step is as good as the old weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from training.autoencoder import error_of, to_signed
from training.fit import Fit, Recipe, mean_of, run
from training.group_norm import replace_norms
from training.render import MODEL
from training.second.easel import paint_all
from training.second.pack import unpacked
from training.second.painter import paint
from training.second.scene import draw_scene

CHANNELS = 8
WIDTHS = (32, 64, 128, 96)
CROP = 128
NOISE = 0.05
# Rate held until the last tenth. A busy processor needs a second and a half per step.
RECIPE = Recipe(steps=30000, rate=5e-4, batch=3, warm_up=50, average=0.998, keep_every=50, hold=0.9, optimizer="muon")

FINISH = replace(RECIPE, steps=2000, rate=4e-4, batch=4, hold=0.5)


def build(channels: int = CHANNELS, widths: tuple[int, ...] = WIDTHS) -> AutoencoderKL:
    """The autoencoder, untrained; `widths` are the channels of its levels, from the pixels inwards."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=channels,
        sample_size=256,
        force_upcast=False,
    )


@torch.no_grad()
def grow(old: AutoencoderKL, many: int = CHANNELS) -> AutoencoderKL:
    """An autoencoder as wide as the old one with `many` latent channels, of which the new ones have no effect."""
    new, few = build(many, old.config.block_out_channels), old.config.latent_channels
    state = new.state_dict()
    for name, value in old.state_dict().items():
        if state[name].shape == value.shape:
            state[name].copy_(value)
    # Means and logarithms of variances follow each other in the encoder's output.
    rows = torch.tensor([*range(few), *range(many, many + few)])
    for key in ("weight", "bias"):
        state[f"encoder.conv_out.{key}"][rows] = old.state_dict()[f"encoder.conv_out.{key}"]
    for name, places, size in (("quant_conv", rows, 2 * many), ("post_quant_conv", torch.arange(few), many)):
        weight = torch.eye(size)
        weight[places[:, None], places] = old.state_dict()[f"{name}.weight"][:, :, 0, 0]
        state[f"{name}.weight"].copy_(weight[:, :, None, None])
        state[f"{name}.bias"].zero_()
        state[f"{name}.bias"][places] = old.state_dict()[f"{name}.bias"]
    state["decoder.conv_in.weight"].zero_()
    state["decoder.conv_in.weight"][:, :few] = old.state_dict()["decoder.conv_in.weight"]
    return new


def widened(state: dict[str, torch.Tensor], model: AutoencoderKL) -> dict[str, torch.Tensor]:
    """The weights of a narrower autoencoder as those of `model`, which then computes the same.

    Every channel is there several times, side by side, so that the norms' groups keep their statistics. What it gives
    to the next layer is divided by chance: equal copies would stay equal (Chen and others 2016, arXiv:1511.05641).
    """
    generator = torch.Generator().manual_seed(0)
    out = {}
    for name, like in model.state_dict().items():
        value = state[name]
        rows = like.shape[0] // value.shape[0]
        value = value.repeat_interleave(rows, 0)
        if value.ndim > 1 and (times := like.shape[1] // value.shape[1]) > 1:
            parts = 0.5 + torch.rand((times, *value.shape), generator=generator)
            value = torch.stack([*(value * parts / parts.sum(0))], 2).flatten(1, 2)
        out[name] = value
    return out


class Album:
    """Scenes painted when they are first asked for, and crops that depend only on the step."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self.pictures: dict[int, np.ndarray] = {}

    def fill(self, workers: int) -> None:
        """Paint all scenes now, with several processes."""
        scenes = [draw_scene(self.seed * 1_000_003 + index) for index in range(self.count)]
        self.pictures = dict(enumerate(paint_all(scenes, workers)))

    def picture(self, index: int) -> np.ndarray:
        """The picture with this number."""
        if index not in self.pictures:
            self.pictures[index] = paint(draw_scene(self.seed * 1_000_003 + index))
        return self.pictures[index]

    def _crop(self, rng: np.random.Generator, known: int) -> np.ndarray:
        picture = self.picture(int(rng.integers(known)))
        top, left = (int(rng.integers(side - CROP + 1)) for side in picture.shape[:2])
        return picture[top : top + CROP, left : left + CROP]

    def _known(self, step: int) -> int:
        """How many pictures are in use at a step: painting them takes its time, where no other process does it."""
        return min(self.count, max(len(self.pictures), 100 + step))

    def crops(self, step: int, batch: int) -> np.ndarray:
        """A batch of crops; of two candidates each, the one with more to see."""
        rng = np.random.default_rng([self.seed, 5, step])
        known = self._known(step)
        pairs = [(self._crop(rng, known), self._crop(rng, known)) for _ in range(batch)]
        return np.stack([max(pair, key=lambda crop: float(crop[::4, ::4].std())) for pair in pairs])

    def whole(self, step: int, count: int) -> np.ndarray:
        """A batch of whole pictures, of the size of the first one drawn."""
        rng = np.random.default_rng([self.seed, 6, step])
        first = self.picture(int(rng.integers(self._known(step))))
        out = [first]
        while len(out) < count:
            other = self.picture(int(rng.integers(self._known(step))))
            out += [other] if other.shape == first.shape else []
        return np.stack(out)

    def batch(self, step: int, recipe: Recipe) -> np.ndarray:
        """The pictures of a step: crops, and after `hold` as many pixels of whole pictures."""
        late = step >= recipe.hold * recipe.steps
        return self.whole(step, max(1, recipe.batch // 4)) if late else self.crops(step, recipe.batch)


def loss_of(model: AutoencoderKL, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The error of pictures sent through the autoencoder; a little noise on the latents keeps them smooth."""
    mean = model.encode(x).latent_dist.mean
    y = model.decode(mean + NOISE * noise).sample.float()
    return error_of(y - x) + 1e-4 * mean.float().square().mean()


def noise_for(x: torch.Tensor, seed: int) -> torch.Tensor:
    """Standard normal noise for the latents of these pictures."""
    size = (len(x), CHANNELS, x.shape[2] // 8, x.shape[3] // 8)
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(x.device)


@torch.no_grad()
def quality(model: AutoencoderKL, count: int = 32, seed: int = 900_000_000) -> tuple[float, float]:
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


def _go_on(fit: Fit, path: Path, album: Album, workers: int, say: Callable[[str], None]) -> None:
    """Load the checkpoint if there is one, and let other processes paint the scenes that are still needed."""
    if fit.load(path):
        say(f"{path.stem}: goes on at step {fit.step}")
    if workers > 1 and fit.step < fit.recipe.steps:
        album.fill(workers)
        say(f"{path.stem}: {album.count} scenes painted")


def _check(fit: Fit, judged: AutoencoderKL) -> str:
    """What is said of the averaged weights, which are written into `judged`."""
    fit.load_mean(judged)
    return "PSNR {:.2f} dB, spread {:.3f}".format(*quality(judged))


def train(
    folder: Path,
    recipe: Recipe,
    device: torch.device,
    *,
    pictures: int = 4000,
    workers: int = 1,
    weights: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    budget: float | None = None,
    bfloat16: bool = False,
    say: Callable[[str], None] = print,
) -> AutoencoderKL:
    """Fit the autoencoder, or go on; returns it with the averaged weights. After `hold` it sees whole pictures.

    Without a checkpoint in `folder` it starts from packed `weights`, or else from the shipped model. `bfloat16` is
    for processors that have it natively: 1.5 times the steps per second, with the norms of training.group_norm.
    """
    torch.manual_seed(recipe.seed)
    model = build()
    if weights is None:
        state = grow(AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)).state_dict()
    else:
        state = unpacked(weights, "autoencoder")
    model.load_state_dict(widened(state, model))
    model = model.to(device, memory_format=torch.channels_last)
    if device.type == "cpu":
        replace_norms(model)
    fit = Fit(model, recipe)
    path = folder / "autoencoder.safetensors"
    judged = build().to(device, memory_format=torch.channels_last).eval()
    album = Album(pictures, recipe.seed + 1)
    _go_on(fit, path, album, workers, say)

    def loss_at(module: AutoencoderKL, step: int, part: int, parts: int) -> torch.Tensor:
        x = to_signed(album.batch(step, fit.recipe), device)
        noise = noise_for(x, step * 64 + part)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            return loss_of(module, x, noise)

    run(fit, path, loss_at, check=partial(_check, fit, judged), check_every=1000, stop=stop, budget=budget, say=say)
    fit.load_mean(judged)
    return judged


def finish(
    folder: Path,
    model: AutoencoderKL,
    recipe: Recipe,
    *,
    encoder: bool = False,
    pictures: int = 4000,
    workers: int = 1,
    stop: Callable[[], bool] = lambda: False,
    bfloat16: bool = False,
    say: Callable[[str], None] = print,
) -> AutoencoderKL:
    """Fit the decoder on the logarithm of each picture's squared error, which PSNR is; returns the model.

    The latents stay as they are, so the denoiser need not learn anew; with `encoder` they change, and get a little
    noise while it is fitted.
    """
    device = next(model.parameters()).device
    model.encoder.requires_grad_(encoder)
    model.quant_conv.requires_grad_(encoder)
    if device.type == "cpu":
        replace_norms(model)
    fit = Fit(model, recipe)
    path = folder / "finish.safetensors"
    album = Album(pictures, recipe.seed + 2)
    _go_on(fit, path, album, workers, say)
    judged = copy.deepcopy(model).eval()

    def loss_at(module: AutoencoderKL, step: int, part: int, parts: int) -> torch.Tensor:
        x = to_signed(album.batch(step, recipe), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            with torch.set_grad_enabled(encoder):
                latents = module.encode(x).latent_dist.mode()
            if encoder:
                latents = latents + NOISE * noise_for(x, step * 64 + part)
            error = module.decode(latents).sample.float() - x
        return decibels(error)

    run(fit, path, loss_at, check=partial(_check, fit, judged), stop=stop, say=say)
    fit.load_mean(model)
    return model.eval()


def decibels(error: torch.Tensor) -> torch.Tensor:
    """The mean logarithm of each picture's squared error, and a little of the edges' error."""
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.square().mean(dim=(1, 2, 3)).clamp_min(1e-6).log().mean() + edges


def restore(folder: Path, weights: Path | None, device: torch.device) -> AutoencoderKL:
    """The autoencoder with the averaged weights of the checkpoint in `folder`, or else with packed `weights`.

    What was fitted further (`finish`) has those weights.
    """
    model, path, later = build(), folder / "autoencoder.safetensors", folder / "finish.safetensors"
    state = unpacked(weights, "autoencoder") if weights and not path.exists() else mean_of(path)
    state |= mean_of(later) if later.exists() else {}
    model.load_state_dict(widened(state, model))
    return model.to(device, memory_format=torch.channels_last).eval()
