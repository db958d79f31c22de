"""Model configurations: Stable Diffusion 1.5's, and those that a checkpoint's tensor shapes imply.

A single ``.safetensors`` file has no configuration. Its shapes determine all but the number of attention heads, which
is that of Stable Diffusion 1. So smaller models of the same layout load too, without access to the hub.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from sdbatch.models.source import INPAINTING, other_inputs

State = Mapping[str, torch.Tensor]

TEXT: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "projection_dim": 768,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
}
VAE: dict[str, Any] = {
    "sample_size": 512,
    "latent_channels": 4,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "scaling_factor": 0.18215,
}


def text_config(state: State) -> dict[str, Any]:
    """Configuration of a CLIP text encoder with keys ``embeddings.…``, ``encoder.layers.…``."""
    vocab, hidden = state["embeddings.token_embedding.weight"].shape
    return TEXT | {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "projection_dim": hidden,
        "num_attention_heads": max(1, hidden // 64),
        "intermediate_size": state["encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": _count(state, r"encoder\.layers\.(\d+)\."),
        "max_position_embeddings": state["embeddings.position_embedding.weight"].shape[0],
    }


def unet_config(state: State) -> dict[str, Any]:
    """Configuration of a denoiser with keys ``input_blocks.…`` (prefix removed). ValueError if it is not SD 1."""
    if any("attn2.to_k" in key and tensor.shape[1] in (1024, 2048) for key, tensor in state.items()):
        raise ValueError("this is not a Stable Diffusion 1 checkpoint: its text encoder is that of SD 2 or SDXL")
    if (channels := state["input_blocks.0.0.weight"].shape[1]) not in (4, INPAINTING):
        raise ValueError(f"the checkpoint {other_inputs(channels)}")
    blocks = _count(state, r"input_blocks\.(\d+)\.")
    out = [key for key in state if re.fullmatch(r"input_blocks\.\d+\.0\.out_layers\.3\.weight", key)]
    attended = {int(key.split(".")[1]) for key in state if re.match(r"input_blocks\.\d+\.1\.", key)}
    per = UNET["layers_per_block"] + 1
    levels = -(-(blocks - 1) // per)
    widths = {(int(key.split(".")[1]) - 1) // per: state[key].shape[0] for key in out}
    crossed = [any(1 + level * per + i in attended for i in range(per)) for level in range(levels)]
    context = next(tensor.shape[1] for key, tensor in state.items() if key.endswith("attn2.to_k.weight"))
    return UNET | {
        "in_channels": channels,
        "cross_attention_dim": context,
        "block_out_channels": tuple(widths[level] for level in range(levels)),
        "down_block_types": tuple("CrossAttnDownBlock2D" if c else "DownBlock2D" for c in crossed),
        "up_block_types": tuple("CrossAttnUpBlock2D" if c else "UpBlock2D" for c in reversed(crossed)),
    }


def vae_config(state: State) -> dict[str, Any]:
    """Configuration of a KL autoencoder with keys ``encoder.down.…`` (prefix removed)."""
    levels = _count(state, r"encoder\.down\.(\d+)\.")
    return VAE | {
        "latent_channels": state["decoder.conv_in.weight"].shape[1],
        "block_out_channels": tuple(
            state[f"encoder.down.{level}.block.0.conv1.weight"].shape[0] for level in range(levels)
        ),
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "layers_per_block": _count(state, r"encoder\.down\.0\.block\.(\d+)\."),
    }


def _count(state: State, pattern: str) -> int:
    """One more than the largest number that ``pattern`` matches."""
    return 1 + max(int(found[1]) for key in state if (found := re.match(pattern, key)))
