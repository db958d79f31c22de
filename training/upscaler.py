"""Fits the embedded upscaler, twice the size for pictures of the embedded model:

    python -m training.upscaler --out .train/upscaler          # half an hour of one thread
    python -m training.upscaler --out .train/upscaler --judge

It sees what the model paints, scenes sent through the autoencoder, and also clean ones: a second doubling follows the
first. The target is the same scene painted at twice the size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import save_file

from sdbatch.engine.nets.upscaler import Compact
from training.autoencoder import to_signed
from training.fit import Fit, Recipe, mean_of, run
from training.painter import paint
from training.render import MODEL
from training.scene import draw_scene
from training.second.sharpness import edge_width

WIDTH, LAYERS, CROP = 32, 10, 44
RECIPE = Recipe(steps=6000, rate=1.5e-3, batch=8, decay=0.0, average=0.995, hold=0.5)
FIRST_SEED = 910_000_000
WEIGHTS = "tiny-2x.safetensors"
KINDS = ("painted at 128", "painted at 256", "drawn at 256")  # the small picture of each pair


@dataclass(frozen=True)
class Pair:
    """A small picture and what it should be at twice the size, uint8."""

    small: np.ndarray
    large: np.ndarray


@torch.no_grad()
def through(vae: AutoencoderKL, pixels: np.ndarray) -> np.ndarray:
    """A picture through the autoencoder."""
    decoded = vae.decode(vae.encode(to_signed(pixels[None])).latent_dist.mode()).sample[0]
    return ((decoded.permute(1, 2, 0) * 127.5 + 127.5).round().clamp(0, 255)).to(torch.uint8).numpy()


def half(pixels: np.ndarray) -> np.ndarray:
    """A picture at half its size."""
    return np.array(Image.fromarray(pixels).reduce(2))


def pairs(seed: int, vae: AutoencoderKL) -> list[Pair]:
    """What one scene teaches: at 128 and 256 pixels as the model paints it, at 256 also as it is drawn."""
    large = paint(draw_scene(seed), 4)
    middle = half(large)
    small = half(middle)
    return [Pair(through(vae, small), middle), Pair(through(vae, middle), large), Pair(middle, large)]


def crops(album: Sequence[Pair], seed: int, step: int, part: int, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random crops, half of them mirrored, of 0 to 1; they depend only on the step."""
    rng = np.random.default_rng([seed, 31, step, part])
    small, large = [], []
    for _ in range(batch):
        pair = album[int(rng.integers(len(album)))]
        y, x = (int(rng.integers(side - CROP + 1)) for side in pair.small.shape[:2])
        turn = 1 if rng.random() < 0.5 else -1
        small.append(pair.small[y : y + CROP, x : x + CROP][:, ::turn])
        large.append(pair.large[2 * y : 2 * (y + CROP), 2 * x : 2 * (x + CROP)][:, ::turn])
    return _unit(np.stack(small)), _unit(np.stack(large))


def _unit(pixels: np.ndarray) -> torch.Tensor:
    found = torch.from_numpy(np.ascontiguousarray(pixels)).movedim(-1, 1).float() / 255
    return found.contiguous(memory_format=torch.channels_last)


def loss_of(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    error = made - wanted
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + edges + 2 * error.square().mean()


def loss_at(album: Sequence[Pair], net: torch.nn.Module, step: int, part: int, parts: int) -> torch.Tensor:
    small, large = crops(album, RECIPE.seed, step, part, RECIPE.batch // parts)
    return loss_of(net(small), large)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b.astype(float)).mean()))


@torch.no_grad()
def doubled(net: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    made = net(_unit(pixels[None]))[0].movedim(0, -1)
    return (made * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def judge(net: torch.nn.Module, vae: AutoencoderKL, count: int = 24) -> dict[str, dict[str, float]]:
    """Unseen scenes: PSNR and edge width of the upscaler, of Lanczos, and of the picture drawn at that size."""
    found: dict[str, dict[str, list[float]]] = {}
    for i in range(count):
        for kind, pair in zip(KINDS, pairs(FIRST_SEED + i, vae), strict=True):
            size = pair.large.shape[1::-1]
            lanczos = np.array(Image.fromarray(pair.small).resize(size, Image.Resampling.LANCZOS))
            mine = doubled(net, pair.small)
            row = found.setdefault(kind, {})
            for name, made in (("upscaler", mine), ("lanczos", lanczos)):
                row.setdefault(f"{name} dB", []).append(psnr(made, pair.large))
                row.setdefault(f"{name} edge width", []).append(edge_width(made))
            row.setdefault("drawn edge width", []).append(edge_width(pair.large))
    return {kind: {k: round(float(np.nanmean(v)), 2) for k, v in row.items()} for kind, row in found.items()}


def export(net: Compact, folder: Path) -> None:
    """Write the weights in half precision, safetensors only."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.half().contiguous() for k, v in sorted(net.state_dict().items())}
    save_file(state, str(folder / WEIGHTS), metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the embedded upscaler.")
    parser.add_argument("--out", type=Path, default=Path(".train/upscaler"))
    parser.add_argument("--scenes", type=int, default=160)
    parser.add_argument("--seconds", type=float, default=1800, help="the steps are planned from the measured speed")
    parser.add_argument("--judge", action="store_true", help="write the weights and the figures of a checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(RECIPE.seed)
    vae = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)
    net = Compact(WIDTH, LAYERS, 2).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    path = options.out / "fit.safetensors"
    if not options.judge:
        album = [pair for seed in range(options.scenes) for pair in pairs(seed, vae)]
        print(len(album), "pairs", flush=True)
        fit = Fit(net, RECIPE)
        fit.load(path)
        run(fit, path, partial(loss_at, album), budget=options.seconds, say=partial(print, flush=True))
    net.load_state_dict(mean_of(path))
    export(net, options.out)
    figures = judge(net, vae)
    (options.out / "judged.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
