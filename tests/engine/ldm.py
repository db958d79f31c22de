"""Writes a small Stable Diffusion 1 checkpoint in one .safetensors file: diffusers' names back to the original ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.engine.models import TEXT, UNET, VAE, modules

SMALL_TEXT = TEXT | {"hidden_size": 64, "num_attention_heads": 1}
SMALL_UNET = UNET | {
    "block_out_channels": (32, 32, 32, 32),
    "layers_per_block": 2,
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
SMALL_VAE = VAE | {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 2, "norm_num_groups": 32}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
HEAD = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def made(seed: int = 0) -> tuple[Any, Any, Any]:
    return modules(seed, SMALL_TEXT, SMALL_UNET, SMALL_VAE)


def write(file: Path, parts: tuple[Any, Any, Any], vae: bool = True) -> Path:
    """``parts`` (text encoder, denoiser, VAE) as A1111 users know it."""
    text, unet, decoder = parts
    state = {f"cond_stage_model.transformer.text_model.{k}": v for k, v in text.state_dict().items()}
    state["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    state |= {f"model.diffusion_model.{unet_key(k)}": v for k, v in unet.state_dict().items()}
    if vae:
        state |= {f"first_stage_model.{k}": v for k, v in ldm_vae(decoder).items()}
    save_file({k: v.contiguous().clone() for k, v in state.items()}, file)
    return file


def unet_key(key: str) -> str:
    for new, old in HEAD.items():
        if key.startswith(new + "."):
            return key.replace(new, old, 1)
    if found := re.match(r"down_blocks\.(\d)\.(resnets|attentions|downsamplers)\.(\d)\.(.*)", key):
        block, kind, layer, rest = int(found[1]), found[2], int(found[3]), found[4]
        if kind == "downsamplers":
            return f"input_blocks.{3 * (block + 1)}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{3 * block + layer + 1}.{int(kind == 'attentions')}.{inner(rest)}"
    if found := re.match(r"up_blocks\.(\d)\.(resnets|attentions|upsamplers)\.(\d)\.(.*)", key):
        block, kind, layer, rest = int(found[1]), found[2], int(found[3]), found[4]
        if kind == "upsamplers":
            return f"output_blocks.{3 * block + 2}.{1 if block == 0 else 2}.{rest}"
        return f"output_blocks.{3 * block + layer}.{int(kind == 'attentions')}.{inner(rest)}"
    found = re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key)
    assert found, key
    return f"middle_block.{1 if found[1] == 'attentions' else 2 * int(found[2])}.{inner(found[3])}"


def inner(rest: str) -> str:
    head, dot, tail = rest.partition(".")
    return RESNET.get(head, head) + dot + tail


def ldm_vae(vae: Any) -> dict[str, torch.Tensor]:
    """The VAE's state under its original names (attention weights as 1x1 convolutions)."""
    out = {}
    for key, value in vae.state_dict().items():
        new = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", key)
        new = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}", new)
        new = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        new = new.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_norm_out", "norm_out")
        new = new.replace("conv_shortcut", "nin_shortcut").replace("group_norm", "norm")
        for name, old in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
            new = new.replace(f"attn_1.{name}", f"attn_1.{old}")
        conv = ".attn_1." in new and value.ndim == 2
        out[new] = value[:, :, None, None] if conv else value
    return out
