"""Small random-weight models in diffusers layout, and a feed from a list: what the engine's tests share."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch.engine import weights
from sdbatch.engine.denoise import Row
from sdbatch.engine.load import PARTS, Components
from sdbatch.models.source import Source
from sdbatch.pictures.read import pixels
from sdbatch.spec.jobs import Model, Shot
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Bucket, Failure, Picture, Pixels

logging.getLogger("xformers").setLevel(logging.ERROR)

CLIP = Path(__file__).parents[2] / "src/sdbatch/models/clip"
TEXT = {
    "vocab_size": 49408,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
UNET = {
    "sample_size": 8,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
VAE = {
    "sample_size": 64,
    "block_out_channels": (8, 8, 16, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


LIVELY = {
    "conv_out": 6.0,
    "to_v": 4.0,
    "position_embedding": 4.0,
    "token_embedding": 20.0,
    "fc2": 10.0,
    "out_proj": 10.0,
}


def modules(
    seed: int = 0, text: dict[str, Any] = TEXT, unet: dict[str, Any] = UNET, vae: dict[str, Any] = VAE
) -> tuple[Any, Any, Any]:
    """(text encoder, denoiser, VAE) with seeded random weights, wide enough to make lively pictures."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = CLIPTextModel(CLIPTextConfig(**text)), UNet2DConditionModel(**unet), AutoencoderKL(**vae)
        for name, p in [*made[0].named_parameters(), *made[1].named_parameters()]:
            if "norm" not in name and p.ndim > 1:
                p.data.mul_(LIVELY.get(name.split(".")[-2], 1.5))
    return made[0].eval(), made[1].eval(), made[2].eval()


def save(folder: Path, seed: int = 0, **configs: Any) -> Path:
    """A diffusers folder."""
    for name, module in zip(("text_encoder", "unet", "vae"), modules(seed, **configs), strict=True):
        module.save_pretrained(folder / name, safe_serialization=True)
    return folder


def source(folder: Path | None = None, **changes: Any) -> Source:
    model = changes.pop("model", Model("b2:test"))
    return Source(
        **({"kind": "local", "model": model, "native": 64, "chunk": 75, "vocabulary": CLIP, "folder": folder} | changes)
    )


def shot(**changes: Any) -> Shot:
    base: dict[str, Any] = {
        "model": Model("b2:test"),
        "prompt": "a cat",
        "negative": "",
        "seed": 1,
        "width": 64,
        "height": 64,
        "sampler": "euler",
        "steps": 4,
        "guidance": 6.0,
    }
    return Shot(**(base | changes))


class ListFeed:
    """Hands out shots whose parents are done, first of the bucket asked for; keeps pictures by shot id."""

    def __init__(self, shots: Iterable[Shot], bucket: Callable[[Shot], Bucket]) -> None:
        self.left = list(shots)
        self.pictures: dict[str, Pixels] = {}
        self._bucket = bucket

    def take(self, bucket: Bucket | None = None, but: Container[Bucket] = ()) -> Shot | None:
        for i, shot in enumerate(self.left):
            ready = all(p in self.pictures for p in shot.parents)
            own = self._bucket(shot)
            if ready and (own == bucket or (bucket is None and own not in but)):
                return self.left.pop(i)
        return None

    def waiting(self) -> dict[Bucket, int]:
        return Counter(map(self._bucket, self.left))

    def picture(self, shot_id: str) -> Pixels:
        return self.pictures[shot_id]

    def input(self, picture: InputPicture) -> Pixels:
        return pixels(Path(picture.path), picture.digest)


def render(engine: Any, shots: Iterable[Shot]) -> dict[str, Picture | Failure]:
    """Results by shot id."""
    feed = ListFeed(shots, engine.bucket)
    out: dict[str, Picture | Failure] = {}
    for result in engine.render(feed):
        out[result.shot.id] = result
        if isinstance(result, Picture):
            feed.pictures[result.shot.id] = result.pixels
    return out


def psnr(a: Any, b: Any) -> float:
    error = float(np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def faulty(monkeypatch: pytest.MonkeyPatch, fault: Callable[[Components], object]) -> None:
    """Let ``fault`` change the networks of every model that is loaded from now on."""
    real = weights.load_part
    found: dict[Source, Components] = {}

    def load_part(name: str, source: Source, *more: Any) -> Any:
        if name == PARTS[0]:
            found[source] = Components(*(real(part, source, *more) for part in PARTS))
            fault(found[source])
        return dict(zip(PARTS, (found[source].text, found[source].denoiser, found[source].vae), strict=True))[name]

    monkeypatch.setattr(weights, "load_part", load_part)


def breaks(
    monkeypatch: pytest.MonkeyPatch, opened: Any, change: Callable[[Sequence[Row], int, list[Any]], None]
) -> None:
    """Let ``change`` see (and spoil) every denoiser call."""
    true = opened.main.denoiser

    def call(rows: Sequence[Row], size: int) -> list[torch.Tensor]:
        out = true(rows, size)
        change(rows, size, out)
        return list(out)

    call.full_rows = true.full_rows  # type: ignore[attr-defined]
    monkeypatch.setattr(opened.main, "denoiser", call)
