"""Writes the model in diffusers' layout: half precision, safetensors only, latents scaled to one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, PNDMScheduler
from safetensors import safe_open
from safetensors.torch import save_file

from training.autoencoder import to_signed
from training.painter import paint
from training.scene import draw_scene
from training.words import write_tokenizer

QUIET = -14.0


def normalise(vae: AutoencoderKL, count: int = 256, seed: int = 800_000_000) -> AutoencoderKL:
    """`standardise` on freshly painted scenes."""
    return standardise(vae, (paint(draw_scene(seed + i)) for i in range(count)))


@torch.no_grad()
def standardise(vae: AutoencoderKL, pictures: Iterable[np.ndarray]) -> AutoencoderKL:
    """Shift and scale the latents to mean 0 and deviation 1 per channel, inside the two 1 x 1 convolutions.

    The posterior's spread is set to next to nothing, since the autoencoder was fitted without sampling.
    """
    device = next(vae.parameters()).device
    cells = [vae.encode(to_signed(p[None], device)).latent_dist.mode().flatten(2)[0].T for p in pictures]
    cell = torch.cat(cells).double()
    mean, deviation, channels = cell.mean(0).float(), cell.std(0).float(), vae.config.latent_channels
    into, out = vae.quant_conv, vae.post_quant_conv
    into.weight[:channels] /= deviation.view(-1, 1, 1, 1)
    into.bias[:channels] = (into.bias[:channels] - mean) / deviation
    into.weight[channels:] = 0.0
    into.bias[channels:] = QUIET
    out.bias += out.weight.flatten(1) @ mean
    out.weight *= deviation.view(1, -1, 1, 1)
    vae.register_to_config(scaling_factor=1.0)
    return vae


def _half(folder: Path) -> None:
    """Store a folder's weights as contiguous half-precision tensors in sorted order."""
    (path,) = folder.glob("*.safetensors")
    with safe_open(str(path), framework="pt") as file:
        tensors = {k: file.get_tensor(k) for k in sorted(file.keys())}
    tensors = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in tensors.items()}
    save_file(tensors, str(path), metadata={"format": "pt"})


def _strip(path: Path) -> None:
    """Take out of a configuration what says where and with what it was made, and sort it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for key in ("_name_or_path", "transformers_version"):
        content.pop(key, None)
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def digest(folder: Path) -> str:
    """The SHA-256 over names and contents of everything but the card."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("README.md", "digest.json")):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def export(vae: AutoencoderKL, denoiser: Any, folder: Path, known: list[str] | None = None) -> str:
    """Write the whole model to `folder`; returns its digest. A README.md there stays.

    `denoiser` holds `unet` and `text_encoder`; `known` are the words of its tokenizer (see `write_tokenizer`).
    """
    for part in ("vae", "unet", "text_encoder", "tokenizer", "scheduler"):
        shutil.rmtree(folder / part, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for part, module in (("vae", vae), ("unet", denoiser.unet), ("text_encoder", denoiser.text_encoder)):
        module.save_pretrained(folder / part, safe_serialization=True)
        _half(folder / part)
    write_tokenizer(folder / "tokenizer", known)
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
        prediction_type="epsilon",
    )
    scheduler.register_to_config(clip_sample=False)
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    for path in (*folder.glob("*/config.json"), *folder.glob("scheduler/*.json")):
        _strip(path)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    name = digest(folder)
    size = sum(p.stat().st_size for p in folder.rglob("*.safetensors"))
    (folder / "digest.json").write_text(json.dumps({"sha256": name, "weights_bytes": size}, indent=2) + "\n")
    return name
