"""Builds modules from a configuration and a state dict: empty on the meta device, then filled with the weights.

So a model is read once, in the requested precision, without initialising weights that are overwritten. Does not know
where weights come from. Networks in ``nets`` are preferred: they give the same bits as the classes of diffusers and
transformers, which take five seconds to import and are used only for other configurations.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import nn

from sdbatch.engine.nets import clip, controlnet, unet, vae
from sdbatch.errors import ConfigError

OWN: dict[str, tuple[Any, type[nn.Module]]] = {
    "CLIPTextModel": (clip.serves, clip.TextEncoder),
    "UNet2DConditionModel": (unet.serves, unet.UNet),
    "ControlNetModel": (controlnet.serves, controlnet.ControlNet),
    "AutoencoderKL": (vae.serves, vae.Autoencoder),
}
OTHERS = {  # (component, class): where it is imported from
    ("unet", "UNet2DConditionModel"): "diffusers.models.unets.unet_2d_condition",
    ("vae", "AutoencoderKL"): "diffusers.models.autoencoders.autoencoder_kl",
    ("vae", "AutoencoderTiny"): "diffusers.models.autoencoders.autoencoder_tiny",
}
USUAL = {"unet": "UNet2DConditionModel", "controlnet": "ControlNetModel", "vae": "AutoencoderKL"}
OLD_VAE_KEYS = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
State = dict[str, torch.Tensor]


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Suppress the warning of xformers when it is imported with a CPU build of torch."""
    logger = logging.getLogger("xformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def build(
    name: str, part: tuple[dict[str, Any], State], device: torch.device, dtype: torch.dtype, own: bool = True
) -> nn.Module:
    """A module on ``device`` from ``part`` (configuration, state), in ``dtype`` and eval mode.

    ``own``: use the network of ``nets`` if it supports the configuration. Raises ConfigError if the weights do not fit.
    """
    config, state = part
    module = empty(name, config, own)
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
    if name == "text_encoder" and not isinstance(module, clip.TextEncoder):  # the only buffer that is not in the file
        count = config["max_position_embeddings"]
        module.embeddings.position_ids = torch.arange(count, device=device).expand((1, -1))  # type: ignore[union-attr]
    memory = torch.contiguous_format if name == "text_encoder" else torch.channels_last
    module.to(memory_format=memory)  # type: ignore[call-overload]
    module.eval().requires_grad_(False)
    return module


def _new_name(key: str) -> str:
    """Rename the attention weights of Stable Diffusion 1.5's VAE, which have old names of diffusers."""
    for old, new in OLD_VAE_KEYS.items():
        key = key.replace(old, new) if ".attentions." in key else key
    return key


def empty(name: str, config: dict[str, Any], own: bool = True) -> nn.Module:
    """A module without memory. Raises ConfigError for a class that is not part of Stable Diffusion 1."""
    kind = "CLIPTextModel" if name == "text_encoder" else config.get("_class_name", USUAL[name])
    with torch.device("meta"):
        if own and kind in OWN and OWN[kind][0](config):
            return OWN[kind][1](config)
        with quiet_imports():
            if name == "text_encoder":
                return _transformers_text(config)
            if (name, kind) in OTHERS:
                made: nn.Module = getattr(import_module(OTHERS[name, kind]), kind).from_config(config)
                return made
    raise ConfigError.one("model", f"{kind} is not a Stable Diffusion 1 {name}")


def _transformers_text(config: dict[str, Any]) -> nn.Module:
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    made: nn.Module = CLIPTextModel(CLIPTextConfig.from_dict(config))
    return made


def _bare_text(state: State) -> State:
    return {k.removeprefix("text_model."): v for k, v in state.items() if "position_ids" not in k}
