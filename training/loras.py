"""Trains the LoRAs and the textual inversion that are shipped with the embedded model, by one command:

    python -m training.loras --out .train/loras

Scenes are drawn and their pixels restyled (``training.styles``). The autoencoder does not know all styles: for some a
copy of its encoder learns first which latents its decoder shows as the style. Then the LoRA is fitted as a denoiser is,
with all other weights fixed, and continues from its checkpoint in ``--out``. For another model name its folder
(``--model``) and the package that paints its scenes (``--painter``).
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from training import fit
from training.adapters import TEXT, UNET, Adapter, Words, save
from training.autoencoder import error_of, to_signed
from training.export import digest
from training.render import MODEL, load
from training.styles import STYLES
from training.train import say

SHIPPED = MODEL.parent
WORD = "winternight"
RATIOS = ("1:1", "1:1", "3:2", "2:3")
FIRST_SEED = 700_000_000
CROP, NOISE = 64, 0.05
SILENT, MIN_SNR = 0.1, 5.0
COLOUR = (
    0.25  # weight of the noisiest steps, which decide colours: min-SNR alone has none there, and palettes come late
)
_LAYERS = r"resnets.*conv|samplers|conv_in|conv_out|attn"
Pictures = list[np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How a LoRA is made. ``patterns``: the modules by network. ``encoder``: steps of the encoder's copy."""

    layout: str
    rank: int
    patterns: dict[str, str]
    encoder: int = 0
    steps: int = 600
    rate: float = 6e-3


RECIPES = {
    "ink": Recipe("loha", 2, {UNET: _LAYERS}, encoder=200, rate=1e-2),
    "autumn": Recipe("diffusers", 3, {UNET: _LAYERS, TEXT: r"q_proj|v_proj|out_proj|fc"}, steps=450),
    "pixel": Recipe("kohya", 3, {UNET: _LAYERS}, steps=320),
}


class Painter:
    """The scenes and captions of a package that paints (``training``, ``training.second``)."""

    def __init__(self, package: str) -> None:
        names = ("scene", "painter", "captions", "reader")
        self.scene, self.painter, self.captions, self.reader = (
            importlib.import_module(f"{package}.{n}") for n in names
        )

    def scenes(self, count: int, ratio: str, first: int, **changes: Any) -> list[Any]:
        """Drawn scenes, with attributes changed."""
        return [replace(self.scene.draw_scene(first + i, ratio), **changes) for i in range(count)]

    def paint(self, scenes: Sequence[Any]) -> Pictures:
        """Their pictures."""
        return [self.painter.paint(scene) for scene in scenes]


@dataclass(frozen=True)
class Album:
    """Latents and captions' scenes of one ratio."""

    latents: Tensor
    scenes: list[Any]


class Lessons:
    """Batches of restyled latents; the loss of the denoiser with an adapter. Depends on nothing but the step."""

    def __init__(self, pipe: Any, albums: list[Album], say_of: Callable[[Any, Any], list[str] | str]) -> None:
        self.pipe, self.albums, self.say_of = pipe, albums, say_of
        self.kept = pipe.scheduler.alphas_cumprod.float()
        self.velocity = pipe.scheduler.config.prediction_type == "v_prediction"

    def ids(self, texts: Sequence[str], vectors: int) -> Tensor:
        """Token ids; WORD becomes the ids behind the vocabulary."""
        tokenizer, out = self.pipe.tokenizer, []
        length, added = tokenizer.model_max_length, list(range(len(tokenizer), len(tokenizer) + vectors))
        for text in texts:
            pieces = [tokenizer(piece, add_special_tokens=False).input_ids for piece in text.split(WORD)]
            inner = [i for n, piece in enumerate(pieces) for i in (added if n else []) + piece][: length - 2]
            padding = [tokenizer.eos_token_id] * (length - 1 - len(inner))
            out.append([tokenizer.bos_token_id, *inner, *padding])
        return torch.tensor(out)

    def loss(self, adapter: Any, step: int, count: int) -> Tensor:
        """The weighted squared error of what is predicted over ``count`` pictures of one ratio."""
        rng = np.random.default_rng([9, step])
        album = self.albums[int(rng.integers(len(self.albums)))]
        picked = rng.integers(len(album.scenes), size=count)
        texts = ["" if rng.random() < SILENT else str(self.say_of(album.scenes[int(i)], rng)) for i in picked]
        ids = self.ids(texts, len(adapter.vectors) if isinstance(adapter, Words) else 0)
        generator = torch.Generator().manual_seed(step)
        clean = album.latents[torch.from_numpy(picked)]
        noise = torch.randn(clean.shape, generator=generator)
        times = torch.randint(0, len(self.kept), (count,), generator=generator)
        kept = self.kept[times].view(-1, 1, 1, 1)
        noisy = kept.sqrt() * clean + (1 - kept).sqrt() * noise
        wanted = kept.sqrt() * noise - (1 - kept).sqrt() * clean if self.velocity else noise
        error = (self._predict(adapter, noisy, times, ids) - wanted).square().mean(dim=(1, 2, 3))
        snr = (kept / (1 - kept)).flatten()
        loss: Tensor = (error * (snr + COLOUR).clamp(max=MIN_SNR) / (snr + 1 if self.velocity else snr)).mean()
        return loss

    def _predict(self, adapter: Any, noisy: Tensor, times: Tensor, ids: Tensor) -> Tensor:
        text, unet = self.pipe.text_encoder, self.pipe.unet
        with torch.autocast("cpu", torch.bfloat16):
            words = functional_call(text, adapter.changed(TEXT, text), (ids,))[0]
            inputs = (noisy, times, words)
            out: Tensor = functional_call(unet, adapter.changed(UNET, unet), inputs, {"return_dict": False})[0]
        return out.float()


def encoder_for(vae: Any, pictures: Pictures, steps: int) -> Any:
    """The autoencoder with the same decoder, and an encoder that was fitted to pictures of a style for some steps."""
    own = copy.deepcopy(vae)
    weights = [*own.encoder.parameters(), *own.quant_conv.parameters()]
    for p in weights:
        p.requires_grad_(True)
    optimizer = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.99))
    for step in range(steps):
        rng = np.random.default_rng([4, step])
        crops = []
        for _ in range(8):
            picture = pictures[int(rng.integers(len(pictures)))]
            top, left = (8 * int(rng.integers((side - CROP) // 8 + 1)) for side in picture.shape[:2])
            crops.append(picture[top : top + CROP, left : left + CROP])
        clean = to_signed(np.stack(crops))
        with torch.autocast("cpu", torch.bfloat16):
            latents = own.encode(clean).latent_dist.mode()
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(step))
            shown = own.decode(latents + NOISE * noise).sample
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 20) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        optimizer.zero_grad()
        loss = error_of(shown.float() - clean)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if step % 50 == 0:
            say(f"encoder: step {step}/{steps} loss {loss.item():.4f}")
    return own


@torch.no_grad()
def encode(vae: Any, pictures: Pictures) -> Tensor:
    """The latents of pictures of one size, at the scale that the denoiser sees."""
    scale: float = vae.config.scaling_factor
    batches = (to_signed(np.stack(pictures[i : i + 8])) for i in range(0, len(pictures), 8))
    return torch.cat([vae.encode(batch).latent_dist.mode() for batch in batches]) * scale


def style_albums(painter: Painter, pipe: Any, name: str, count: int) -> list[Album]:
    """Restyled scenes as latents."""
    restyle, steps = STYLES[name].restyle, RECIPES[name].encoder
    groups = [painter.scenes(count, ratio, FIRST_SEED + n * count) for n, ratio in enumerate(RATIOS)]
    pictures = [[restyle(p) for p in painter.paint(group)] for group in groups]
    vae = encoder_for(pipe.vae, [p for group in pictures for p in group], steps) if steps else pipe.vae
    say(f"{name}: {count * len(RATIOS)} scenes")
    return [Album(encode(vae, own), group) for own, group in zip(pictures, groups, strict=True)]


def word_albums(painter: Painter, pipe: Any, count: int) -> list[Album]:
    """Winter nights: what WORD stands for."""
    groups = []
    for n, ratio in enumerate(RATIOS):
        night = {"sky": "night", "backdrop": "snow", "weather": "snowfall", "body": "moon"}
        groups.append(painter.scenes(count, ratio, FIRST_SEED + 10_000_000 + n * count, **night))
    return [Album(encode(pipe.vae, painter.paint(group)), group) for group in groups]


def with_word(painter: Painter) -> Callable[[Any, Any], str]:
    """Captions that say WORD in place of sky, backdrop and weather."""

    def say_of(scene: Any, rng: np.random.Generator) -> str:
        head, noun, *_ = painter.captions.plain_caption(scene).split(", ")
        parts = [noun, WORD] if rng.random() < 0.5 else [WORD, noun]
        return ", ".join([head, *parts] if rng.random() < 0.5 else parts)

    return say_of


def fitted(adapter: Any, lessons: Lessons, recipe: fit.Recipe, path: Path) -> Any:
    """The adapter after all steps, averaged."""
    found = fit.Fit(adapter, recipe)
    found.load(path)
    fit.run(found, path, lambda module, step, part, parts: lessons.loss(module, step, recipe.batch), say=say)
    found.load_mean(adapter)
    return adapter


def texts(name: str, options: argparse.Namespace) -> dict[str, str]:
    """The file's own words about itself, under the names of https://github.com/Stability-AI/ModelSpec."""
    kind = "textual-inversion" if name == WORD else "lora"
    said = {"title": name, "license": "Apache-2.0", "architecture": f"stable-diffusion-v1/{kind}", "author": "sdbatch"}
    return {f"modelspec.{k}": v for k, v in said.items()} | {"base_model_sha256": digest(options.model)}


def make_lora(name: str, painter: Painter, pipe: Any, options: argparse.Namespace) -> int:
    """Train one style; returns the bytes of its file."""
    recipe, path = RECIPES[name], options.out / f"{name}.safetensors"
    networks = {UNET: pipe.unet, TEXT: pipe.text_encoder}
    adapter = Adapter(recipe.layout, recipe.rank, networks, recipe.patterns)
    lessons = Lessons(pipe, style_albums(painter, pipe, name, options.scenes), painter.captions.caption)
    steps = options.steps or recipe.steps
    plan = fit.Recipe(steps, recipe.rate, batch=16, warm_up=20, average=0.98, decay=0.0, keep_every=50)
    fitted(adapter, lessons, plan, path)
    return save(options.to / "loras" / f"{name}.safetensors", adapter.tensors(networks), texts(name, options))


def make_word(painter: Painter, pipe: Any, options: argparse.Namespace) -> int:
    """Train the textual inversion; returns the bytes of its file."""
    known = pipe.tokenizer("night snow", add_special_tokens=False).input_ids
    adapter = Words(pipe.text_encoder.get_input_embeddings().weight[known])
    lessons = Lessons(pipe, word_albums(painter, pipe, options.scenes // 2), with_word(painter))
    plan = fit.Recipe(options.steps or 80, 3e-2, batch=16, warm_up=10, average=0.98, decay=0.0, keep_every=50)
    fitted(adapter, lessons, plan, options.out / f"{WORD}.safetensors")
    return save(options.to / "embeddings" / f"{WORD}.safetensors", adapter.tensors({}), texts(WORD, options))


def main(arguments: list[str] | None = None) -> None:
    """Train what is asked for, and record the bytes."""
    parser = argparse.ArgumentParser(prog="python -m training.loras", description=__doc__)
    parser.add_argument("names", nargs="*", default=[*RECIPES, WORD], help="all by default")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--to", type=Path, default=SHIPPED, help="where loras/ and embeddings/ are written")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--painter", default="training", help="package of the model's scenes")
    parser.add_argument("--scenes", type=int, default=96, help="for each of the ratios")
    parser.add_argument("--steps", type=int, help="for each LoRA, instead of its own number")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    pipe, painter = load(options.model), Painter(options.painter)
    for network in (pipe.vae, pipe.unet, pipe.text_encoder):
        network.requires_grad_(False)
    for name in options.names:
        size = make_word(painter, pipe, options) if name == WORD else make_lora(name, painter, pipe, options)
        say(json.dumps({"file": name, "bytes": size}))


if __name__ == "__main__":
    main()
