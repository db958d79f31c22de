"""Trains the embedded model by one command:  python -m training.train --out .train/tiny

Stages, each of which resumes from its checkpoint: the autoencoder (`vae`), the painted data set as latents
(`latents`), text encoder and denoiser (`denoiser`), the decoder once more on whole pictures (`decoder`), and the model
folder (`export`).
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import torch

from training import autoencoder, decoder, denoiser
from training.export import export, normalise
from training.fit import Recipe, pick_device, planned
from training.latents import Shelf, prepare
from training.words import write_tokenizer

STAGES = ("vae", "latents", "denoiser", "decoder", "export")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints; the model goes to OUT/model")
    parser.add_argument("--model", type=Path, help="where the model is written instead of OUT/model")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vae-steps", type=int, help="steps of the autoencoder")
    parser.add_argument("--steps", type=int, help="steps of the denoiser")
    parser.add_argument("--decoder-steps", type=int, help="steps of the decoder alone")
    parser.add_argument("--shards", type=int, help="shards of 512 painted scenes")
    parser.add_argument("--pictures", type=int, default=5000, help="painted scenes for the autoencoder")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Print with the time of day, at once."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def recipes(options: argparse.Namespace, device: torch.device) -> tuple[Recipe, Recipe, int]:
    """The recipes of both trainings and the number of shards, larger where there is an accelerator."""
    vae, paint, shards = autoencoder.RECIPE, denoiser.RECIPE, 20
    if device.type == "cuda":
        vae = replace(vae, batch=64, steps=20000)
        paint = replace(paint, batch=256, steps=40000, average=0.9995)
        shards = 400
    vae = replace(planned(vae, options.vae_steps), seed=options.seed)
    paint = replace(planned(paint, options.steps), seed=options.seed)
    return vae, paint, options.shards or shards


def main(arguments: list[str] | None = None) -> None:
    """Run the stages."""
    options = parse(arguments)
    device = pick_device(options.device)
    parts = 1 if device.type == "cuda" else min(2, os.cpu_count() or 1)
    torch.set_num_threads(1 if parts > 1 else torch.get_num_threads())
    folder: Path = options.out
    vae_recipe, paint_recipe, shards = recipes(options, device)
    if "vae" in options.stages:
        autoencoder.train(folder, vae_recipe, device, parts=parts, pictures=options.pictures, say=say)
    if options.stages == ["vae"]:
        return
    vae = autoencoder.restore(folder / "autoencoder.safetensors", device)
    say(f"autoencoder: PSNR {autoencoder.quality(vae)[0]:.2f} dB on unseen scenes")
    normalise(vae)
    if "latents" in options.stages:
        prepare(vae, folder / "latents", shards, options.seed, device=device, workers=parts, say=say)
    tokenizer = write_tokenizer(folder / "tokenizer")
    shelf = Shelf(folder / "latents", shards, options.seed)
    if "denoiser" in options.stages:
        denoiser.train(folder, paint_recipe, shelf=shelf, tokenizer=tokenizer, device=device, parts=parts, say=say)
    if "decoder" in options.stages:
        recipe = replace(planned(decoder.RECIPE, options.decoder_steps), seed=options.seed)
        decoder.train(folder, recipe, vae, shelf=shelf, device=device, parts=parts, say=say)
    decoder.apply(vae, folder / "decoder.safetensors")
    if "export" in options.stages:
        painter = denoiser.restore(folder / "denoiser.safetensors", len(tokenizer))
        say(f"exported {export(vae.cpu(), painter, options.model or folder / 'model')}")


if __name__ == "__main__":
    main()
