"""Modules from a configuration and a state dict, made without memory (meta device) and filled with the weights.

So a model is read once, in the precision asked for, without initialising what is overwritten anyway, and all layouts
share one way. Knows nothing of where weights come from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import nn

from sdbatch.errors import ConfigError

LIBRARIES = (
    "transformers.models.clip.modeling_clip",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.models.autoencoders.autoencoder_kl",
)
OLD_VAE_KEYS = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
State = dict[str, torch.Tensor]


@contextmanager
def quiet_imports() -> Iterator[None]:
    """xformers warns at import on a CPU build of torch; nobody asked for it there."""
    logger = logging.getLogger("xformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def libraries() -> None:
    """Import what models are made of: most of the time that a start takes."""
    with quiet_imports():
        for name in LIBRARIES:
            import_module(name)


def build(name: str, config: dict[str, Any], state: State, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A module on ``device`` that holds ``state`` in ``dtype``."""
    module: nn.Module = empty(name, config)
    if name == "text_encoder":
        state = _bare_text(state)
    elif name == "vae":
        state = {_new_name(key): value for key, value in state.items()}
    ready = {k: v.to(device, dtype if v.is_floating_point() else v.dtype) for k, v in state.items()}
    try:
        module.load_state_dict(ready, strict=True, assign=True)
    except RuntimeError as e:
        first = str(e).split("\n", 2)[1].strip()[:200]
        raise ConfigError.one("model", f"the weights of {name} do not fit their configuration: {first}") from e
    if name == "text_encoder":  # the only buffer that no file holds
        count = config["max_position_embeddings"]
        module.embeddings.position_ids = torch.arange(count, device=device).expand((1, -1))  # type: ignore[union-attr]
    memory = torch.contiguous_format if name == "text_encoder" else torch.channels_last
    module.to(memory_format=memory)  # type: ignore[call-overload]
    module.eval().requires_grad_(False)
    return module


def _new_name(key: str) -> str:
    """Stable Diffusion 1.5's VAE still has diffusers' first names for attention weights."""
    for old, new in OLD_VAE_KEYS.items():
        key = key.replace(old, new) if ".attentions." in key else key
    return key


def empty(name: str, config: dict[str, Any]) -> nn.Module:
    """A module without memory. Raises ConfigError for a class that is not part of Stable Diffusion 1."""
    with torch.device("meta"):
        if name == "text_encoder":
            from transformers.models.clip.configuration_clip import CLIPTextConfig
            from transformers.models.clip.modeling_clip import CLIPTextModel

            return CLIPTextModel(CLIPTextConfig.from_dict(config))  # type: ignore[no-any-return]
        kind = config.get("_class_name", {"unet": "UNet2DConditionModel"}.get(name, "AutoencoderKL"))
        if name == "unet" and kind == "UNet2DConditionModel":
            from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

            return UNet2DConditionModel.from_config(config)  # type: ignore[no-any-return]
        if name == "vae" and kind == "AutoencoderKL":
            from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

            return AutoencoderKL.from_config(config)  # type: ignore[no-any-return]
        if name == "vae" and kind == "AutoencoderTiny":
            from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

            return AutoencoderTiny.from_config(config)  # type: ignore[no-any-return]
    raise ConfigError.one("model", f"{kind} is not a Stable Diffusion 1 {name}")


def _bare_text(state: State) -> State:
    return {k.removeprefix("text_model."): v for k, v in state.items() if "position_ids" not in k}
