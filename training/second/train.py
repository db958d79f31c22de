"""Trains the embedded model by one command:  python -m training.second.train --out .train/second

Stages, each of which goes on from its checkpoint: the autoencoder (`vae`), the painted data set as latents
(`latents`), text encoder and denoiser (`denoiser`), and the model folder (`export`). Only if named, after `vae`: more
steps of the autoencoder for PSNR (`finish`, after which latents are made anew) or of its decoder alone (`decoder`).
Packed weights (`--start`, written by training.second.pack) serve where there is no checkpoint with the optimizer's
state. On SIGTERM, or after `--seconds`, the running stage writes its checkpoint and the command ends with exit code
3; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from training.export import export, standardise
from training.fit import Recipe, pick_device, planned
from training.second import autoencoder, denoiser
from training.second.captions import vocabulary
from training.second.easel import paint_all
from training.second.latents import Shelf, prepare
from training.second.scene import draw_scene
from training.train import say
from training.words import write_tokenizer

STAGES = ("vae", "latents", "denoiser", "export")
NORMAL_SEED = 800_000_000
STOPPED = 3


@dataclass(frozen=True)
class Plan:
    """How much is done: the recipes of both trainings, scenes for the autoencoder, shards of latents."""

    vae: Recipe
    denoiser: Recipe
    pictures: int
    shards: int


def plan(options: argparse.Namespace, device: torch.device) -> Plan:
    """The amount of work, larger where there is an accelerator: about half an hour of one."""
    if device.type == "cuda":
        made = Plan(
            replace(autoencoder.RECIPE, batch=48, steps=9000, hold=0.7, keep_every=500, rate=1e-3),
            replace(denoiser.RECIPE, batch=256, steps=14000, rate=1.5e-3, average=0.9995, keep_every=500),
            12000,
            160,
        )
    else:
        made = Plan(autoencoder.RECIPE, denoiser.RECIPE, 4000, 20)
    return Plan(
        replace(planned(made.vae, options.vae_steps), seed=options.seed),
        replace(planned(made.denoiser, options.steps), seed=options.seed, rate=options.rate or made.denoiser.rate),
        options.pictures or made.pictures,
        options.shards or made.shards,
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.second.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints; the model goes to OUT/model")
    parser.add_argument("--model", type=Path, help="where the model is written instead of OUT/model")
    parser.add_argument("--stages", nargs="+", choices=[*STAGES, "finish", "decoder"], default=list(STAGES))
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="threads inside operations on a processor")
    parser.add_argument("--parts", type=int, default=1, help="threads that share a batch of the denoiser")
    parser.add_argument("--bfloat16", action="store_true", help="for processors that have it natively")
    early = "weight the noisy steps of the denoiser more, and draw them more often: POWER is that of the even share"
    parser.add_argument("--early", type=float, nargs="?", const=0.5, metavar="POWER", help=early)
    parser.add_argument("--workers", type=int, help="processes that paint (all cores with cuda, else none)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=math.inf, help="end after so long, with a checkpoint")
    parser.add_argument("--start", type=Path, help="folder of packed weights, or a model, to start from")
    parser.add_argument(
        "--vae-seconds", type=float, help="time for the autoencoder, all runs together: plans its steps"
    )
    parser.add_argument("--denoiser-seconds", type=float, help="likewise for the denoiser")
    parser.add_argument("--vae-steps", type=int, help="steps of the autoencoder")
    parser.add_argument("--steps", type=int, help="steps of the denoiser")
    parser.add_argument(
        "--rate", type=float, help="peak learning rate of the denoiser (lower to finish packed weights)"
    )
    parser.add_argument("--pictures", type=int, help="painted scenes for the autoencoder")
    parser.add_argument("--shards", type=int, help="shards of 512 painted scenes for the denoiser")
    return parser.parse_args(arguments)


class Stop:
    """Says when to end: after a number of seconds, or once a SIGTERM has come."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        signal.signal(signal.SIGTERM, self._told)

    def _told(self, number: int, frame: object) -> None:
        self.end = 0.0

    def __call__(self) -> bool:
        return time.monotonic() >= self.end


def _start(options: argparse.Namespace, part: str) -> Path | None:
    """The folder of packed weights, if it has this part, or of a model."""
    start: Path | None = options.start
    found = start is not None and ((start / "unet").is_dir() or any(start.glob(f"{part}-*.safetensors")))
    return start if found else None


def fresh(count: int = 192) -> Iterator[np.ndarray]:
    """Scenes that nothing else uses, by which the latents are brought to mean 0 and deviation 1."""
    return paint_all([draw_scene(NORMAL_SEED + i) for i in range(count)])


def main(arguments: list[str] | None = None) -> None:
    """Run the stages."""
    options = parse(arguments)
    device = pick_device(options.device)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    workers = options.workers or ((os.cpu_count() or 1) if device.type == "cuda" else 1)
    todo, folder, stop = plan(options, device), options.out, Stop(options.seconds)
    if "vae" in options.stages:
        autoencoder.train(
            folder,
            todo.vae,
            device,
            pictures=todo.pictures,
            workers=workers,
            weights=_start(options, "autoencoder"),
            stop=stop,
            budget=options.vae_seconds,
            bfloat16=options.bfloat16,
            say=say,
        )
    if stop():
        sys.exit(STOPPED)
    if options.stages == ["vae"]:
        return
    vae = autoencoder.restore(folder, _start(options, "autoencoder"), device)
    if {"finish", "decoder"} & set(options.stages):
        recipe = replace(autoencoder.FINISH, steps=options.vae_steps or autoencoder.FINISH.steps)
        autoencoder.finish(
            folder,
            vae,
            recipe,
            encoder="finish" in options.stages,
            pictures=todo.pictures,
            workers=workers,
            stop=stop,
            bfloat16=options.bfloat16,
            say=say,
        )
        if stop():
            sys.exit(STOPPED)
    say(f"autoencoder: PSNR {autoencoder.quality(vae)[0]:.2f} dB on unseen scenes")
    standardise(vae, fresh())
    if "latents" in options.stages:
        prepare(vae, folder / "latents", todo.shards, options.seed, device=device, workers=workers, stop=stop, say=say)
    tokenizer = write_tokenizer(folder / "tokenizer", vocabulary())
    if "denoiser" in options.stages:
        denoiser.train(
            folder,
            todo.denoiser,
            shelf=Shelf(folder / "latents", todo.shards, options.seed),
            tokenizer=tokenizer,
            device=device,
            parts=options.parts,
            weights=_start(options, "denoiser"),
            stop=stop,
            budget=options.denoiser_seconds,
            bfloat16=options.bfloat16,
            early=options.early,
            say=say,
        )
    if stop():
        sys.exit(STOPPED)
    if "export" in options.stages:
        painter = denoiser.restore(folder, _start(options, "denoiser"), len(tokenizer), autoencoder.CHANNELS)
        say(f"exported {export(vae.cpu(), painter, options.model or folder / 'model', vocabulary())}")


if __name__ == "__main__":
    main()
