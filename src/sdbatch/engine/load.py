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
from safetensors import SafetensorError
from safetensors.torch import load_file

from sdbatch.engine import architecture, randomised
from sdbatch.engine.build import build
from sdbatch.errors import ConfigError
from sdbatch.models import ldm
from sdbatch.models.source import Source

State = dict[str, torch.Tensor]


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
    if source.kind.startswith("random"):
        parts = randomised.states(dtype, device)
    elif source.file is not None:
        parts = _single_file(source.file, need_vae=source.vae is None)
    elif source.folder is not None:
        names = ["text_encoder", "unet"] + (["vae"] if source.vae is None else [])
        parts = {name: _from_folder(source.folder / name) for name in names}
    else:
        raise ConfigError.one("model", f"the engine cannot render model kind {source.kind!r}")
    if source.vae is not None:
        parts["vae"] = _other_vae(source.vae)
    modules = {name: build(name, part, device, dtype, own) for name, part in parts.items()}
    _skip_layers(modules["text_encoder"], source)
    _check_channels(modules, source)
    return Components(modules["text_encoder"], modules["unet"], modules["vae"], _safety(source))


def _skip_layers(text: Any, source: Source) -> None:
    """Clip skip as in A1111: 2 omits the last layer; the final norm is applied to the remaining output."""
    layers, skip = text.encoder.layers, source.model.clip_skip
    if not 1 <= skip <= len(layers):
        raise ConfigError.one("model.clip_skip", f"{skip} is out of range 1–{len(layers)} for this text encoder")
    text.encoder.layers = layers[: len(layers) - skip + 1]


def _check_channels(modules: dict[str, Any], source: Source) -> None:
    for name, key in (("unet", "in_channels"), ("vae", "latent_channels")):
        found = modules[name].config[key]
        if found != source.model.channels:
            raise ConfigError.one("model", f"the {name} works on {found} latent channels, not {source.model.channels}")


def _safety(source: Source) -> Path | None:
    if not source.safety_checker:
        return None
    folder = source.folder / "safety_checker" if source.folder else None
    if folder is None or not folder.is_dir():
        hint = "set model.safety_checker=false"
        raise ConfigError.one("model.safety_checker", f"there is no safety checker beside {source.folder}", hint)
    return folder


# ---- reading


def read(file: Path) -> State:
    """The tensors of a safetensors file."""
    if file.suffix != ".safetensors":
        hint = "convert it to .safetensors; sdbatch opens no other format"
        raise ConfigError.one("model", f"{file} is a pickle file, which can run code when opened", hint)
    try:
        state: State = load_file(file)
    except (OSError, SafetensorError) as e:
        raise ConfigError.one(
            "model", f"{file} cannot be read: {e}", "the file may be truncated: download it again"
        ) from e
    return state


def _from_folder(folder: Path) -> tuple[dict[str, Any], State]:
    """(configuration, state) of one component in diffusers layout. Full precision is preferred to fp16."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise ConfigError.one(
            "model", f"{folder}/config.json cannot be read: {e}", "it must be a diffusers folder"
        ) from e
    files = sorted(folder.glob("*.safetensors"), key=lambda f: (".fp16" in f.name, ".non_ema" in f.name, f.name))
    if not files:
        pickled = "only pickled weights; " if any(folder.glob("*.bin")) else ""
        raise ConfigError.one("model", f"{folder} holds no .safetensors file ({pickled}pickle is refused)")
    shards = [f for f in files if "-of-" in f.name]
    state: State = {}
    for file in shards or files[:1]:
        state |= read(file)
    return config, state


def _single_file(file: Path, need_vae: bool) -> dict[str, tuple[dict[str, Any], State]]:
    """The parts of a Stable Diffusion 1 checkpoint in A1111's layout."""
    state = read(file)
    denoiser = ldm.inside(state, ldm.UNET)
    text = {
        k.removeprefix("text_model."): v for k, v in ldm.inside(state, *ldm.TEXT).items() if "position_ids" not in k
    }
    if not denoiser or not text:
        what = f"denoiser ({ldm.UNET}…)" if not denoiser else f"CLIP text encoder ({ldm.TEXT[0]}…)"
        raise ConfigError.one("model.path", f"{file} has no {what}: it is not a Stable Diffusion 1 checkpoint")
    try:
        config = architecture.unet_config(denoiser)
        parts = {
            "text_encoder": (architecture.text_config(text), text),
            "unet": (config, ldm.unet(denoiser, config["layers_per_block"])),
        }
    except (ValueError, KeyError, StopIteration) as e:
        raise ConfigError.one("model.path", f"{file}: {e}") from e
    if need_vae:
        parts["vae"] = _ldm_vae(file, state)
    return parts


def _ldm_vae(file: Path, state: State) -> tuple[dict[str, Any], State]:
    inner = ldm.inside(state, ldm.VAE) or state  # a file with nothing but a VAE has no prefix
    if "encoder.down.0.block.0.conv1.weight" not in inner:
        raise ConfigError.one(
            "model.vae", f"{file} holds no VAE in Stable Diffusion's layout", "give one with model.vae=…"
        )
    config = architecture.vae_config(inner)
    return config, ldm.vae(inner, len(config["block_out_channels"]))


def _other_vae(path: Path) -> tuple[dict[str, Any], State]:
    if path.is_dir():
        return _from_folder(path if (path / "config.json").exists() else path / "vae")
    return _ldm_vae(path, read(path))
