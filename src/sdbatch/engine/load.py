"""Loads the modules of a Source: text encoder, denoiser, VAE. Only safetensors; no network, no pickle.

Every layout (diffusers folder, single file, random) gives a configuration and a state dict for each component, from
which ``build`` makes a module. Does not know rows and shots.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from sdbatch.engine import architecture, randomised
from sdbatch.engine.build import build
from sdbatch.engine.merge import with_loras
from sdbatch.engine.nets.controlnet import CHANNELS
from sdbatch.errors import ConfigError
from sdbatch.models import controlnet, ldm
from sdbatch.models.source import Source, shapes, weight_files

State = dict[str, torch.Tensor]


PARTS = randomised.PARTS
CONTROL = "control"  # the key of messages about ControlNets


@dataclass(frozen=True, slots=True)
class Components:
    """The modules of a model on their device, in eval mode. ``safety`` is the folder of a checker or None."""

    text: Any
    denoiser: Any
    vae: Any
    safety: Path | None = None


def load(source: Source, device: torch.device, dtype: torch.dtype, own: bool = True) -> Components:
    """The components of ``source``; with ``own=False`` as classes of diffusers and transformers.

    Raises ConfigError with the file or folder that cannot be used.
    """
    text, denoiser, vae = (load_part(name, source, device, dtype, own) for name in PARTS)
    return Components(text, denoiser, vae, safety_checker(source))


def load_part(name: str, source: Source, device: torch.device, dtype: torch.dtype, own: bool = True) -> Any:
    """One component of ``source``, a name in ``PARTS``, with its LoRAs. Raises ConfigError."""
    config, state = _part(name, source, device, dtype)
    module = build(name, (config, with_loras(name, state, source)), device, dtype, own)
    if name == "text_encoder":
        _skip_layers(module, source)
    else:
        _check_channels(name, module, source)
    return module


def load_controlnet(digest: str, source: Source, device: torch.device, dtype: torch.dtype) -> Any:
    """The ControlNet with this digest, for the denoiser of ``source``. Raises ConfigError."""
    net = controlnet.read(source.adapters[digest], CONTROL)
    if wrong := controlnet.misfit(net, source, CONTROL):
        raise ConfigError(wrong)
    config = _unet_config(source) | {
        "_class_name": "ControlNetModel",
        "in_channels": source.model.channels,
        CHANNELS: controlnet.channels(net.shapes),
    }
    return build("controlnet", (config, controlnet.renamed(read(net.path))), device, dtype)


def _unet_config(source: Source) -> dict[str, Any]:
    """The configuration of the denoiser, without its weights."""
    if source.file is not None:
        found = ldm.inside(shapes(source.file, "model"), ldm.UNET)
        return architecture.unet_config({name: torch.empty(shape, device="meta") for name, shape in found.items()})
    if source.folder is not None:
        config: dict[str, Any] = json.loads((source.folder / "unet" / "config.json").read_text("utf-8"))
        return config
    return randomised.config("unet")


def _part(name: str, source: Source, device: torch.device, dtype: torch.dtype) -> tuple[dict[str, Any], State]:
    """The (configuration, state) of a component."""
    if name == "vae" and source.vae is not None:
        return _other_vae(source.vae)
    if source.kind.startswith("random"):
        return randomised.state(name, dtype, device)
    if source.file is not None:
        return _SINGLE[name](source.file)
    if source.folder is not None:
        return _from_folder(source.folder / name)
    raise ConfigError.one("model", f"the engine cannot render model kind {source.kind!r}")


def _skip_layers(text: Any, source: Source) -> None:
    """Clip skip as in A1111: 2 omits the last layer; the final norm is applied to the remaining output."""
    layers, skip = text.encoder.layers, source.model.clip_skip
    if not 1 <= skip <= len(layers):
        raise ConfigError.one("model.clip_skip", f"{skip} is out of range 1–{len(layers)} for this text encoder")
    text.encoder.layers = layers[: len(layers) - skip + 1]


def _check_channels(name: str, module: Any, source: Source) -> None:
    found = module.config["out_channels" if name == "unet" else "latent_channels"]
    if found != source.model.channels:
        raise ConfigError.one("model", f"the {name} works on {found} latent channels, not {source.model.channels}")


def safety_checker(source: Source) -> Path | None:
    """The folder of the safety checker of ``source``, or None. Raises ConfigError."""
    if not source.safety_checker:
        return None
    folder = source.folder / "safety_checker" if source.folder else None
    if folder is None or not folder.is_dir():
        hint = "set model.safety_checker=false"
        raise ConfigError.one("model.safety_checker", f"there is no safety checker beside {source.folder}", hint)
    return folder


# ---- reading


def read(file: Path, *prefixes: str) -> State:
    """The tensors of a safetensors file, or those whose names start with one of ``prefixes``."""
    if file.suffix != ".safetensors":
        hint = "convert it to .safetensors; sdbatch opens no other format"
        raise ConfigError.one("model", f"{file} is a pickle file, which can run code when opened", hint)
    try:
        with safe_open(file, framework="pt") as f:
            names = [name for name in f.keys() if not prefixes or name.startswith(prefixes)]  # noqa: SIM118
            return {name: f.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as e:
        raise ConfigError.one(
            "model", f"{file} cannot be read: {e}", "the file may be truncated: download it again"
        ) from e


def _from_folder(folder: Path) -> tuple[dict[str, Any], State]:
    """(configuration, state) of one component in diffusers layout."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise ConfigError.one(
            "model", f"{folder}/config.json cannot be read: {e}", "it must be a diffusers folder"
        ) from e
    if not (files := weight_files(folder)):
        pickled = "only pickled weights; " if any(folder.glob("*.bin")) else ""
        raise ConfigError.one("model", f"{folder} holds no .safetensors file ({pickled}pickle is refused)")
    state: State = {}
    for file in files:
        state |= read(file)
    return config, state


def _ldm_text(file: Path) -> tuple[dict[str, Any], State]:
    """The text encoder of a Stable Diffusion 1 checkpoint in A1111's layout."""
    inner = ldm.inside(read(file, *ldm.TEXT), *ldm.TEXT)
    text = {k.removeprefix("text_model."): v for k, v in inner.items() if "position_ids" not in k}
    if not text:
        raise _not_sd1(file, f"has no CLIP text encoder ({ldm.TEXT[0]}…): it is not a Stable Diffusion 1 checkpoint")
    try:
        return architecture.text_config(text), text
    except (ValueError, KeyError) as e:
        raise _not_sd1(file, str(e)) from e


def _ldm_unet(file: Path) -> tuple[dict[str, Any], State]:
    denoiser = ldm.inside(read(file, ldm.UNET), ldm.UNET)
    if not denoiser:
        raise _not_sd1(file, f"has no denoiser ({ldm.UNET}…): it is not a Stable Diffusion 1 checkpoint")
    try:
        config = architecture.unet_config(denoiser)
        return config, ldm.unet(denoiser, config["layers_per_block"])
    except (ValueError, KeyError, StopIteration) as e:
        raise _not_sd1(file, str(e)) from e


def _ldm_vae(file: Path) -> tuple[dict[str, Any], State]:
    inner = ldm.inside(read(file, ldm.VAE), ldm.VAE) or read(file)  # a file with nothing but a VAE has no prefix
    if "encoder.down.0.block.0.conv1.weight" not in inner:
        raise ConfigError.one(
            "model.vae", f"{file} holds no VAE in Stable Diffusion's layout", "give one with model.vae=…"
        )
    config = architecture.vae_config(inner)
    return config, ldm.vae(inner, len(config["block_out_channels"]))


def _not_sd1(file: Path, why: str) -> ConfigError:
    return ConfigError.one("model.path", f"{file}: {why}")


_SINGLE = {"text_encoder": _ldm_text, "unet": _ldm_unet, "vae": _ldm_vae}


def _other_vae(path: Path) -> tuple[dict[str, Any], State]:
    if path.is_dir():
        return _from_folder(path if (path / "config.json").exists() else path / "vae")
    return _ldm_vae(path)
