"""Paints the scenes of the denoiser's training and keeps them as latents, in shards; a new start continues them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from training.autoencoder import to_signed
from training.painter import paint
from training.scene import SIZES, Scene, draw_scene

SHARD = 512
SQUARE_SHARE = 3
FIRST_SEED = 100_000_000


def shard_ratio(index: int) -> str:
    """The ratio of a shard: in ten, three are square and seven have one of the other ratios each."""
    others = [ratio for ratio in SIZES if ratio != "1:1"]
    place = index % (SQUARE_SHARE + len(others))
    return "1:1" if place % 4 == 0 and place < 4 * SQUARE_SHARE else others[place - 1 - place // 4]


def scene_of(seed: int, index: int) -> Scene:
    """The scene with this number in the shard with this index."""
    return draw_scene(seed, shard_ratio(index))


def seeds_of(index: int, seed: int) -> list[int]:
    """The seeds of a shard's scenes."""
    first = FIRST_SEED + seed * 10_000_000 + index * SHARD
    return list(range(first, first + SHARD))


@torch.no_grad()
def encode_shard(vae: AutoencoderKL, index: int, seed: int, device: torch.device, batch: int = 16) -> torch.Tensor:
    """Latents (scenes, 4, height, width), half precision, at the scale that the denoiser sees."""
    out = []
    seeds = seeds_of(index, seed)
    for at in range(0, len(seeds), batch):
        pixels = np.stack([paint(scene_of(s, index)) for s in seeds[at : at + batch]])
        latents = vae.encode(to_signed(pixels, device)).latent_dist.mode() * vae.config.scaling_factor
        out.append(latents.half().cpu().contiguous())
    return torch.cat(out)


def encoder_name(vae: AutoencoderKL) -> str:
    """A digest of the weights that make the latents."""
    total = hashlib.sha256()
    for part in (vae.encoder, vae.quant_conv):
        for value in part.state_dict().values():
            total.update(value.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def prepare(
    vae: AutoencoderKL,
    folder: Path,
    shards: int,
    seed: int,
    *,
    device: torch.device,
    workers: int = 1,
    say: Callable[[str], None] = print,
) -> None:
    """Write the shards that are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp, name = folder / "encoder.txt", encoder_name(vae)
    if stamp.exists() and stamp.read_text() != name:
        raise ValueError(f"{folder} holds the latents of another autoencoder: remove it, and the denoiser's checkpoint")
    stamp.write_text(name)
    missing = [i for i in range(shards) if not (folder / f"{i:04d}.safetensors").exists()]

    def work(index: int) -> None:
        path = folder / f"{index:04d}.safetensors"
        partial = path.with_suffix(f".{index}")
        save_file({"latents": encode_shard(vae, index, seed, device)}, str(partial))
        partial.replace(path)
        say(f"latents: shard {index} of {shards}")

    with ThreadPoolExecutor(max_workers=workers) as pool:
        list(pool.map(work, missing))


class Shelf:
    """All latents in memory with their scenes, grouped by ratio."""

    def __init__(self, folder: Path, shards: int, seed: int) -> None:
        self.latents: dict[str, list[torch.Tensor]] = {ratio: [] for ratio in SIZES}
        self.scenes: dict[str, list[Scene]] = {ratio: [] for ratio in SIZES}
        for index in range(shards):
            ratio = shard_ratio(index)
            self.latents[ratio].append(load_file(str(folder / f"{index:04d}.safetensors"))["latents"])
            self.scenes[ratio] += [scene_of(s, index) for s in seeds_of(index, seed)]
        self.ratios = [ratio for ratio in SIZES if self.latents[ratio]]
        self.stacked = {ratio: torch.cat(self.latents[ratio]) for ratio in self.ratios}
        counts = np.array([len(self.scenes[ratio]) for ratio in self.ratios], float)
        self.shares = counts / counts.sum()

    def ratio_at(self, rng: np.random.Generator) -> str:
        """A ratio by chance, as often as there are scenes of it."""
        return self.ratios[int(rng.choice(len(self.ratios), p=self.shares))]

    def pick(self, rng: np.random.Generator, ratio: str, count: int) -> np.ndarray:
        """The places of `count` scenes of a ratio by chance."""
        return rng.integers(len(self.scenes[ratio]), size=count)
