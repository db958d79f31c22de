"""The parameter names of Stable Diffusion 1's original checkpoints (one file, as A1111 uses them) as diffusers' names.

The same result as diffusers' conversion, without importing it. Keys that belong to no part of the networks are left
out, and missing ones are found when the weights are loaded. Values are tensors, or whatever else belongs to the names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer.")  # of SD 1, of SDXL (refused later)
_HEAD = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_VAE_ENDS = {name: name for name in ("conv_in", "conv_out")} | {"norm_out": "conv_norm_out"}
_VAE_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_VAE_RESIDUAL = {name: name for name in ("norm1", "conv1", "norm2", "conv2")} | {"nin_shortcut": "conv_shortcut"}


def inside(state: Mapping[str, T], *prefixes: str) -> dict[str, T]:
    """The tensors whose key has one of ``prefixes``, without it."""
    return {key.removeprefix(p): value for key, value in state.items() for p in prefixes if key.startswith(p)}


def original(path: str, per: int) -> str | None:
    """The original name of a denoiser's module, from its name in diffusers: the inverse of :func:`unet`."""
    for old, new in _HEAD.items():
        if path == new:
            return old
    inner = {new: old for old, new in _RESIDUAL.items()}
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", path):
        kind, k, rest = found[1], int(found[2]), found[3]
        return f"middle_block.1.{rest}" if kind == "attentions" else f"middle_block.{2 * k}.{inner.get(rest, rest)}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", path)
    if found is None:
        return None
    down, level, kind, layer, rest = found[1] == "down", int(found[2]), found[3], int(found[4]), found[5]
    place = "input_blocks" if down else "output_blocks"
    if kind == "downsamplers":
        return f"{place}.{per * (level + 1)}.0.op"
    if kind == "upsamplers":  # after the attentions; the lowest level has none
        return f"{place}.{per * (level + 1) - 1}.{2 if level else 1}.conv"
    at = per * level + layer + down
    return f"{place}.{at}.1.{rest}" if kind == "attentions" else f"{place}.{at}.0.{inner.get(rest, rest)}"


def unet(state: Mapping[str, T], layers: int) -> dict[str, T]:
    """A denoiser (prefix removed) with ``layers`` residual blocks per level."""
    return _renamed(state, lambda key: _unet_key(key, layers + 1))


def vae(state: Mapping[str, Any], levels: int) -> dict[str, Any]:
    """An autoencoder (prefix removed) of ``levels`` levels. 1x1 convolutions of the attention become linear layers."""
    found = _renamed(state, lambda key: _vae_key(key, levels))
    flat = {k: v[:, :, 0, 0] for k, v in found.items() if ".attentions." in k and v.ndim == 4}
    return found | flat


def _renamed(state: Mapping[str, T], name: Callable[[str], str | None]) -> dict[str, T]:
    return {new: value for key, value in state.items() if (new := name(key)) is not None}


def _swap(rest: str, names: Mapping[str, str]) -> str | None:
    """``rest`` (``PART.weight``) with another name for its part; None if it is not in ``names``."""
    part, _, kind = rest.rpartition(".")
    return f"{names[part]}.{kind}" if part in names else None


def _joined(place: str, rest: str | None) -> str | None:
    return None if rest is None else f"{place}.{rest}"


def _unet_key(key: str, per: int) -> str | None:
    """``per``: blocks per level in the original count, which includes the change of size."""
    if (head := _swap(key, _HEAD)) is not None:
        return head
    if found := re.fullmatch(r"middle_block\.([012])\.(.+)", key):
        k, rest = int(found[1]), found[2]
        return f"mid_block.attentions.0.{rest}" if k == 1 else _joined(f"mid_block.resnets.{k // 2}", _residual(rest))
    if found := re.fullmatch(r"(input|output)_blocks\.(\d+)\.([012])\.(.+)", key):
        down, rest = found[1] == "input", found[4]
        level, layer = divmod(int(found[2]) - down, per)
        place = f"{'down' if down else 'up'}_blocks.{level}"
        if size := re.fullmatch(r"op\.(.+)" if down else r"conv\.(.+)", rest):
            return f"{place}.{'downsamplers' if down else 'upsamplers'}.0.conv.{size[1]}"
        if found[3] == "0":
            return _joined(f"{place}.resnets.{layer}", _residual(rest))
        return f"{place}.attentions.{layer}.{rest}"
    return None


def _residual(rest: str) -> str | None:
    return _swap(rest, _RESIDUAL)


def _vae_key(key: str, levels: int) -> str | None:
    if key.startswith(("quant_conv.", "post_quant_conv.")):
        return key
    half, _, rest = key.partition(".")
    if half not in ("encoder", "decoder"):
        return None
    if (end := _swap(rest, _VAE_ENDS)) is not None:
        return f"{half}.{end}"
    if found := re.fullmatch(r"mid\.block_([12])\.(.+)", rest):
        return _joined(f"{half}.mid_block.resnets.{int(found[1]) - 1}", _swap(found[2], _VAE_RESIDUAL))
    if found := re.fullmatch(r"mid\.attn_1\.(.+)", rest):
        return _joined(f"{half}.mid_block.attentions.0", _swap(found[1], _VAE_ATTENTION))
    return _vae_level(half, rest, levels)


def _vae_level(half: str, rest: str, levels: int) -> str | None:
    """Levels of the decoder are counted from the other end."""
    if not (found := re.fullmatch(r"(down|up)\.(\d+)\.(?:block\.(\d+)\.(.+)|(?:down|up)sample\.(conv\..+))", rest)):
        return None
    way, level = found[1], int(found[2])
    place = f"{half}.{way}_blocks.{level if way == 'down' else levels - 1 - level}"
    if found[5]:
        return f"{place}.{way}samplers.0.{found[5]}"
    return _joined(f"{place}.resnets.{found[3]}", _swap(found[4], _VAE_RESIDUAL))
