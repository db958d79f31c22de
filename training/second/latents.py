"""Paints the scenes of the denoiser's training and keeps them as latents, in shards; a new start continues them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from training.autoencoder import to_signed
from training.latents import encoder_name
from training.second.easel import paint_all
from training.second.scene import SIZES, Scene, draw_scene

SHARD = 512
SQUARE_SHARE = 3
FIRST_SEED = 100_000_000
# Scenes of two subjects are the hardest: lessons show each of them so many times as often as another scene.
PAIRS = 2.5
# So often those that show one subject from far away or from close by.
DISTANT = 2.0


def shard_ratio(index: int) -> str:
    """The ratio of a shard: in ten, three are square and seven have one of the other ratios each."""
    others = [ratio for ratio in SIZES if ratio != "1:1"]
    place = index % (SQUARE_SHARE + len(others))
    return "1:1" if place % 4 == 0 and place < 4 * SQUARE_SHARE else others[place - 1 - place // 4]


def scenes_of(index: int, seed: int) -> list[Scene]:
    """The scenes of a shard."""
    first = FIRST_SEED + seed * 10_000_000 + index * SHARD
    return [draw_scene(first + i, shard_ratio(index)) for i in range(SHARD)]


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Iterator[np.ndarray], device: torch.device, batch: int = 2) -> torch.Tensor:
    """Latents (pictures, channels, height / 8, width / 8) in half precision, at the scale that the denoiser sees."""
    out = []
    while group := list(islice(pictures, batch)):
        latents = vae.encode(to_signed(np.stack(group), device)).latent_dist.mode() * vae.config.scaling_factor
        out.append(latents.half().cpu().contiguous())
    return torch.cat(out)


def prepare(
    vae: AutoencoderKL,
    folder: Path,
    shards: int,
    seed: int,
    *,
    device: torch.device,
    workers: int = 1,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = print,
) -> None:
    """Write the shards that are missing, until `stop` says so; `workers` processes paint."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp, name = folder / "encoder.txt", encoder_name(vae)
    if stamp.exists() and stamp.read_text() != name:
        raise ValueError(f"{folder} holds the latents of another autoencoder: remove it, and the denoiser's checkpoint")
    stamp.write_text(name)
    missing = [i for i in range(shards) if not (folder / f"{i:04d}.safetensors").exists()]
    pictures = paint_all((scene for index in missing for scene in scenes_of(index, seed)), workers)
    for index in missing:
        if stop():
            pictures.close()
            return
        path = folder / f"{index:04d}.safetensors"
        partial = path.with_suffix(".partial")
        save_file({"latents": encode(vae, islice(pictures, SHARD), device)}, str(partial))
        partial.replace(path)
        say(f"latents: shard {index} of {shards}")


def _weight(scene: Scene) -> float:
    if scene.second is not None:
        return PAIRS
    return DISTANT if scene.distance in ("far", "close", "detail") else 1.0


class Shelf:
    """All latents in memory with their scenes, grouped by ratio."""

    def __init__(self, folder: Path, shards: int, seed: int) -> None:
        self.scenes: dict[str, list[Scene]] = {}
        latents: dict[str, list[torch.Tensor]] = {}
        for index in range(shards):
            ratio = shard_ratio(index)
            latents.setdefault(ratio, []).append(load_file(str(folder / f"{index:04d}.safetensors"))["latents"])
            self.scenes.setdefault(ratio, []).extend(scenes_of(index, seed))
        self.stacked = {ratio: torch.cat(parts) for ratio, parts in latents.items()}
        self.ratios = [ratio for ratio in SIZES if ratio in latents]
        counts = np.array([len(self.scenes[ratio]) for ratio in self.ratios], float)
        self.shares = counts / counts.sum()
        weights = {k: np.array([_weight(scene) for scene in v]) for k, v in self.scenes.items()}
        self.odds = {ratio: weight / weight.sum() for ratio, weight in weights.items()}

    def ratio_at(self, rng: np.random.Generator) -> str:
        """A ratio by chance, as often as there are scenes of it."""
        return self.ratios[int(rng.choice(len(self.ratios), p=self.shares))]

    def pick(self, rng: np.random.Generator, ratio: str, count: int) -> np.ndarray:
        """The places of `count` scenes of a ratio by chance, pairs more often."""
        return rng.choice(len(self.odds[ratio]), size=count, p=self.odds[ratio])
