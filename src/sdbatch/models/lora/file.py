"""Reads a LoRA file, and matches it to a model's modules. Raises ConfigError with the names of what does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sdbatch.errors import ConfigError, Problem
from sdbatch.models.lora import layers
from sdbatch.models.lora.keys import parse
from sdbatch.models.lora.layers import Layer
from sdbatch.models.lora.modules import TEXT, Modules
from sdbatch.models.source import included_for
from sdbatch.models.tensors import Header, Stored, arrays, header

_OF_TEXT = re.compile(r"lora_te\d?_|text_encoder|text_model\.|encoder\.layers\.")
SHOWN = 3  # names in a message
_PEFT = "adapter_config.json"  # beside a file of peft
_DIFFUSERS = "lora_adapter_metadata"  # in the header of a file of diffusers
_OTHERS = {  # what names say about the architecture that a file is for
    "Stable Diffusion XL": re.compile(r"lora_te2_|text_encoder_2\.|_attentions_\d_transformer_blocks_[1-9]|label_emb"),
    "Flux or another transformer": re.compile(
        r"double_blocks|single_blocks|single_transformer|joint_blocks|^transformer\."
    ),
    "Z-Image, Qwen or another transformer": re.compile(r"^diffusion_model\.(layers|transformer_blocks|blocks)\."),
}


@dataclass(frozen=True, slots=True, eq=False)
class LoraFile:
    """The layers of a file, by the names that it has for the modules. Holds no numbers but scales."""

    name: str  # of the file, for messages
    layers: Mapping[str, Layer]
    model: str = ""  # that it is for, if that is known, for messages

    def only(self, part: str) -> LoraFile:
        """The layers of the denoiser or of the text encoder."""
        chosen = {name: layer for name, layer in self.layers.items() if bool(_OF_TEXT.match(name)) == (part == TEXT)}
        return replace(self, layers=chosen)


@dataclass(frozen=True, slots=True)
class _Settings:
    """Alphas that a file states apart from its tensors, by pattern of the module's name."""

    alpha: float | None = None
    patterns: Mapping[str, float] | None = None
    stable: bool = False

    def of(self, module: str) -> float | None:
        return next((a for p, a in (self.patterns or {}).items() if module.endswith(p)), self.alpha)


def read(path: Path, key: str) -> LoraFile:
    """All layers of a file, of which every number is looked at once and none is kept.

    Raises ConfigError with every unknown name, number that is not finite, and bad rank.
    """
    found = header(path, key)
    problems: list[Problem] = []
    unknown = [name for name in found.entries if parse(name) is None]
    if unknown:
        hint = _architecture(found.entries) or "known are LoRA, LoCon, LoHa, LoKr and DoRA"
        problems.append(Problem(key, f"{path.name!r}: {_list(unknown)} not understood", hint))
    modules: dict[str, dict[str, Stored]] = {}
    for name in found.entries:
        if (known := parse(name)) is not None:
            modules.setdefault(known.module, {})[known.role] = Stored(found, name)
    alphas, broken = _looked_at(found, key)
    if broken:
        problems.append(Problem(key, f"{path.name!r}: {_list(broken)} not finite", "the file is damaged (NaN)"))
    settings = _settings(path, found.texts)
    made: dict[str, Layer] = {}
    for module, parts in modules.items():
        own = settings.get(module.partition(".")[0], settings[""])
        try:
            made[module] = layers.layer(parts, alphas.get(module, own.of(module)), own.stable)
        except ValueError as e:
            problems.append(Problem(key, f"{path.name!r}: {module} {e}"))
    if not modules and not problems:
        problems.append(Problem(key, f"{path.name!r} contains no layers"))
    if problems:
        raise ConfigError(problems[: 2 * SHOWN])
    return LoraFile(path.name, made, included_for(path))


def _looked_at(found: Header, key: str) -> tuple[dict[str, float], list[str]]:
    """Every alpha by module, and the names of tensors with numbers that are not finite."""
    alphas, broken = {}, []
    for name, array in arrays(found, key):
        known = parse(name)
        if known is not None and known.role == "alpha" and array.size:
            alphas[known.module] = float(array.reshape(-1)[0])
        if not np.isfinite(array).all():
            broken.append(name)
    return alphas, broken


def matched(file: LoraFile, modules: Modules, key: str, model: str = "the model") -> dict[tuple[str, str], Layer]:
    """The layers by (part, module) of a model. Raises ConfigError for a file that is for another one."""
    names = modules.names
    strange = [name for name in file.layers if name not in names]
    problems = []
    if strange:
        hint = _architecture(file.layers) or f"{len(strange)} of its {len(file.layers)} layers are not in {model}"
        problems.append(Problem(key, f"{file.name!r} does not fit: {_list(strange)} not in {model}", hint))
    out: dict[tuple[str, str], Layer] = {}
    wrong = []
    for name, layer in file.layers.items():
        if name not in names:
            continue
        target = names[name]
        if not layers.fits(layer, modules.shape(target)):
            wrong.append(f"{name} ({layers.shape(layer)} for {'×'.join(map(str, modules.shape(target)))})")
        elif target in out:
            problems.append(Problem(key, f"{file.name!r} names {name} twice, in two ways"))
        out[target] = layer
    if wrong:
        hint = file.model or _width(file.layers) or "it was made for a model of another size"
        problems.append(Problem(key, f"{file.name!r} does not fit: {_list(wrong)} of another shape", hint))
    if problems:
        raise ConfigError(problems)
    return out


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(name[:120] for name in names[:SHOWN])}{more} {'is' if len(names) == 1 else 'are'}"


def _architecture(names: Iterable[str]) -> str:
    found = (f"it is for {kind}" for name in names for kind, mark in _OTHERS.items() if mark.search(name))
    return next(found, "")


def _width(found: Mapping[str, Layer]) -> str:
    """The architecture that the width of the text says."""
    widths = {
        layer.parts["down"].shape[1] for name, layer in found.items() if "attn2" in name and "down" in layer.parts
    }
    kinds = {1024: "it is for Stable Diffusion 2", 2048: "it is for Stable Diffusion XL"}
    return next((text for width, text in kinds.items() if width in widths), "")


def _settings(path: Path, texts: Mapping[str, str]) -> dict[str, _Settings]:
    """By the first part of a module's name; "" for all others."""
    stated = _json(texts.get(_DIFFUSERS, ""))
    parts = {"unet": _of(stated, "unet."), "text_encoder": _of(stated, "text_encoder.")}
    beside = path.with_name(_PEFT)
    own = _json(beside.read_text("utf-8")) if path.name.startswith("adapter_model") and beside.is_file() else {}
    return {"": _of(own, ""), **(parts if stated else {})}


def _of(data: Mapping[str, Any], prefix: str) -> _Settings:
    patterns = data.get(f"{prefix}alpha_pattern")
    found = {str(k): _number(v) for k, v in patterns.items()} if isinstance(patterns, dict) else {}
    known = {k: v for k, v in found.items() if v is not None}
    return _Settings(_number(data.get(f"{prefix}lora_alpha")), known, data.get(f"{prefix}use_rslora") is True)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
