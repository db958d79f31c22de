"""Trains a small ControlNet for the embedded model on edges of drawn scenes, by one command:

    python -m training.controlnet --out .train/canny

The embedded model does not change. The ControlNet begins as a copy of its denoiser's encoder, with zero convolutions
behind it (Zhang et al. 2023), and learns on one thread in less than an hour. Stages, each of which resumes: `latents`,
`train`, `export`, `judge`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from sdbatch.engine.nets.controlnet import ControlNet, PictureEmbedding
from sdbatch.engine.nets.unet import UNet
from sdbatch.imaging.preprocess import canny
from training.captions import caption
from training.denoiser import MIN_SNR, remaining
from training.fit import Fit, Recipe, mean_of, run
from training.latents import Shelf, prepare
from training.painter import paint
from training.render import MODEL
from training.scene import draw_scene
from training.words import LENGTH

NAME = "tiny-canny"
SHIPPED = MODEL.parent / "controlnets" / NAME
CHANNELS = (16, 32, 64, 96)  # of the picture's embedding
SILENT = 0.3  # of the captions: then the edges alone say what is there
RECIPE = Recipe(steps=1000, rate=4e-3, batch=16, warm_up=20, average=0.98, keep_every=25, optimizer="muon")
SHARDS = 5
HEARD = (
    0.5  # deviation of the embedded picture beside the embedded latent: torch's own first weights let nothing through
)
STAGES = ("latents", "train", "export", "judge")


def say(text: str) -> None:
    """Print with the time of day, at once."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def denoiser() -> tuple[UNet, dict[str, Any], dict[str, torch.Tensor]]:
    """The embedded model's denoiser, which stays as it is; its configuration and its weights."""
    config = json.loads((MODEL / "unet" / "config.json").read_text("utf-8"))
    state = load_file(str(MODEL / "unet" / "diffusion_pytorch_model.safetensors"))
    state = {name: value.float() for name, value in state.items()}
    net = UNet(config)
    net.load_state_dict(state)
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last), config, state  # type: ignore[call-overload]


def begin(config: dict[str, Any], state: dict[str, torch.Tensor]) -> ControlNet:
    """A ControlNet that changes nothing yet."""
    net = ControlNet(config | {"conditioning_embedding_out_channels": CHANNELS})
    net.load_state_dict({k: v for k, v in state.items() if k in net.state_dict()}, strict=False)
    for zero in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        for value in zero.parameters():
            torch.nn.init.zeros_(value)
    _scale(net.controlnet_cond_embedding, np.stack([canny(paint(draw_scene(seed, "1:1"))) for seed in range(16)]))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.no_grad()
def _scale(embedding: PictureEmbedding, pictures: np.ndarray) -> None:
    """First weights of the picture's embedding: every layer has deviation 1 on ``pictures`` (LSUV, Mishkin 2015)."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    layers = [embedding.conv_in, *embedding.blocks, embedding.conv_out]
    for layer in layers:
        torch.nn.init.zeros_(layer.bias)
        torch.nn.init.kaiming_normal_(layer.weight)
        layer.weight.mul_((HEARD if layer is layers[-1] else 1.0) / layer(x).std())
        x = torch.nn.functional.silu(layer(x))


class Lessons:
    """Batches of latents, edges, noise, steps and captions that depend only on the number of the step."""

    def __init__(self, shelf: Shelf, seed: int) -> None:
        self.shelf, self.seed = shelf, seed
        self.alphas = remaining().float()
        self.tokenizer = CLIPTokenizer.from_pretrained(MODEL / "tokenizer", local_files_only=True)
        self.text = CLIPTextModel.from_pretrained(MODEL / "text_encoder", dtype=torch.float32, local_files_only=True)
        self.text.eval().requires_grad_(False)
        self.unet, self.config, self.state = denoiser()
        self.edges = {r: np.stack([canny(paint(s))[..., 0] for s in shelf.scenes[r]]) for r in shelf.ratios}

    def loss(self, net: Any, step: int, count: int) -> torch.Tensor:
        """The weighted squared error of the predicted noise over `count` pictures of one ratio."""
        rng = np.random.default_rng([self.seed, 9, step])
        ratio = self.shelf.ratio_at(rng)
        scenes = self.shelf.scenes[ratio]
        picked = rng.integers(len(scenes), size=count)
        texts = ["" if rng.random() < SILENT else caption(scenes[int(i)], rng) for i in picked]
        ids = self.tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        clean = self.shelf.stacked[ratio][torch.from_numpy(picked)].float()
        noise = torch.randn(clean.shape, generator=generator)
        times = torch.randint(0, 1000, (count,), generator=generator)
        kept = self.alphas[times].view(-1, 1, 1, 1)
        noisy = (kept.sqrt() * clean + (1 - kept).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        edges = torch.from_numpy(self.edges[ratio][picked])[:, None].float().div(255).repeat(1, 3, 1, 1)
        edges = edges.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            words = self.text(ids.input_ids)[0]
        residuals = net(noisy, times, words, net.embed(edges))
        error = (self.unet(noisy, times, words, residuals=residuals)[0] - noise).square().mean(dim=(1, 2, 3))
        snr = (kept / (1 - kept)).flatten()
        return (error * snr.clamp(max=MIN_SNR) / snr).mean()


def train(folder: Path, recipe: Recipe, shelf: Shelf, say: Callable[[str], None] = say) -> None:
    """Fit the ControlNet, from the checkpoint if there is one."""
    torch.manual_seed(recipe.seed)
    lessons = Lessons(shelf, recipe.seed)
    fit = Fit(begin(lessons.config, lessons.state), recipe)
    path = folder / "controlnet.safetensors"
    if fit.load(path):
        say(f"controlnet: continues at step {fit.step}")
    run(fit, path, lambda net, step, part, parts: lessons.loss(net, step, recipe.batch), say=say)


def export(folder: Path, target: Path = SHIPPED) -> str:
    """Write the averaged weights in half precision and their configuration; returns the digest of the weights."""
    state = {k: v.half().contiguous() for k, v in sorted(mean_of(folder / "controlnet.safetensors").items())}
    own = json.loads((MODEL / "unet" / "config.json").read_text("utf-8"))
    keys = (
        *("act_fn", "attention_head_dim", "block_out_channels", "cross_attention_dim", "down_block_types"),
        *("downsample_padding", "flip_sin_to_cos", "freq_shift", "in_channels", "layers_per_block"),
        *("mid_block_scale_factor", "norm_eps", "norm_num_groups"),
    )
    config = {"_class_name": "ControlNetModel", "_diffusers_version": own["_diffusers_version"]}
    config |= {key: own[key] for key in keys} | {"conditioning_embedding_out_channels": CHANNELS}
    target.mkdir(parents=True, exist_ok=True)
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    file = target / "diffusion_pytorch_model.safetensors"
    save_file(state, str(file), metadata={"format": "pt"})
    file.chmod(0o644)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(arguments: list[str] | None = None) -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(prog="python -m training.controlnet", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and latents")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="where the ControlNet is written")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    parser.add_argument("--shards", type=int, default=SHARDS, help="shards of 512 painted scenes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=48, help="pictures that are judged")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    folder: Path = options.out
    if "latents" in options.stages:
        vae = AutoencoderKL.from_pretrained(MODEL / "vae", dtype=torch.float32, local_files_only=True).eval()
        prepare(vae, folder / "latents", options.shards, options.seed, device=torch.device("cpu"), say=say)
    if "train" in options.stages:
        shelf = Shelf(folder / "latents", options.shards, options.seed)
        train(folder, replace(RECIPE, steps=options.steps, seed=options.seed), shelf)
    if "export" in options.stages:
        say(f"exported {export(folder, options.model)}")
    if "judge" in options.stages:
        from training.control_judge import judge

        say(json.dumps(judge(options.model, options.pictures)))


if __name__ == "__main__":
    main()
