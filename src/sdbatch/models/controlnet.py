"""ControlNets on disk: files in two layouts, and whether they fit a model. Headers only, safetensors only, no torch.

The layouts are diffusers' (a folder, or its file alone) and the original one (``control_model.…``), which most files
for A1111 have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from sdbatch.errors import ConfigError, Problem
from sdbatch.models import ldm
from sdbatch.models.source import Source, included_for, shapes, weight_files
from sdbatch.models.tensors import header

T = TypeVar("T")
Shape = tuple[int, ...]
PREFIX = "control_model."
FILE = "diffusion_pytorch_model"  # diffusers names every file so: the folder has the name
_SHARED = (
    "conv_in.",
    "time_embedding.",
    "down_blocks.",
    "mid_block.",
)  # what a ControlNet has in common with its model
_EMBEDDING = "controlnet_cond_embedding."
_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
_OTHERS = {
    "lora_controlnet": "is a Control-LoRA",
    "difference": "is the difference to a model",
    "adapter.": "is a T2I-Adapter",
    "body.": "is a T2I-Adapter",
    "controlnet_blocks.": "is a ControlNet for a transformer model",
    "lora_unet": "is a LoRA",
    "model.diffusion_model.": "is a model",
}


@dataclass(frozen=True, eq=False)
class NetFile:
    """A ControlNet. ``shapes``: its tensors by diffusers' names."""

    path: Path
    shapes: Mapping[str, Shape]

    @property
    def name(self) -> str:
        return self.path.parent.name if self.path.stem.startswith(FILE) else self.path.stem


def read(path: Path, at: str) -> NetFile:
    """The ControlNet in a file, or in a folder of diffusers. Raises ConfigError, with the key ``at``."""
    if path.is_dir():
        path = _in_folder(path, at)
    header(path, at)  # refuses pickles and damaged files
    found = shapes(path, at)
    if f"{_EMBEDDING}conv_in.weight" not in (named := renamed(found)):
        said = (text for mark, text in _OTHERS.items() if any(name.startswith(mark) for name in found))
        raise ConfigError.one(
            at, f"{path.name!r} {next(said, 'is not a ControlNet')}", "needed is a ControlNet 1.x file"
        )
    return NetFile(path, named)


def renamed(state: Mapping[str, T]) -> dict[str, T]:
    """The tensors of either layout by diffusers' names."""
    inner = ldm.inside(state, PREFIX) or dict(state)
    if not any(name.startswith(("input_hint_block.", "zero_convs.")) for name in inner):
        return inner
    own = {new: value for name, value in inner.items() if (new := _renamed(name)) is not None}
    return ldm.unet(inner, 2) | own


def channels(found: Mapping[str, Shape]) -> tuple[int, ...]:
    """The widths of the picture's embedding; each after the first halves the size."""
    count = sum(name.startswith(f"{_EMBEDDING}blocks.") and name.endswith(".weight") for name in found)
    wide = (found[f"{_EMBEDDING}blocks.{k}.weight"][0] for k in range(1, count, 2))
    return (found[f"{_EMBEDDING}conv_in.weight"][0], *wide)


def misfit(net: NetFile, source: Source, at: str) -> list[Problem]:
    """What keeps ``net`` from controlling the denoiser of ``source``; nothing if its weights are not on disk yet."""
    base = denoiser(source)
    if base is None:
        return []
    wanted = {k: s for k, s in base.items() if k.startswith(_SHARED)}
    first = wanted.get("conv_in.weight", (0, 0))
    wanted["conv_in.weight"] = (first[0], source.model.channels, *first[2:])  # it sees the latent only, not a mask
    wrong = [k for k, s in wanted.items() if net.shapes.get(k) != s]
    wrong += [k for k in net.shapes if k.startswith(_SHARED) and k not in wanted]
    if wrong:
        mine, its = _kind(net.shapes), _kind(wanted)
        hint = included_for(net.path) or (
            f"it is for {mine}, and the model is {its}"
            if mine != its
            else f"{len(wrong)} tensors differ: {wrong[0]}, …"
        )
        return [Problem(at, f"{net.name!r} is a ControlNet for another architecture", hint)]
    if any(name.endswith("proj_in.weight") and len(shape) == 2 for name, shape in wanted.items()):
        return [Problem(at, f"{net.name!r}: ControlNets for Stable Diffusion 2 are not supported")]
    widths = _widths(wanted)
    zero = {f"controlnet_down_blocks.{k}.weight": (w, w, 1, 1) for k, w in enumerate(widths)}
    zero["controlnet_mid_block.weight"] = (widths[-1], widths[-1], 1, 1)
    zero[f"{_EMBEDDING}conv_in.weight"] = (channels(net.shapes)[0], 3, 3, 3)
    zero[f"{_EMBEDDING}conv_out.weight"] = (widths[0], channels(net.shapes)[-1], 3, 3)
    problems = [
        Problem(at, f"{net.name!r}: {name} is missing or of another shape", "is the file complete?")
        for name, shape in zero.items()
        if net.shapes.get(name) != shape
    ]
    if 2 ** (len(channels(net.shapes)) - 1) != source.model.scale:
        problems.append(Problem(at, f"{net.name!r} reads pictures at another scale than the model's"))
    return problems[:1]


@lru_cache(maxsize=16)
def denoiser(source: Source) -> Mapping[str, Shape] | None:
    """The shapes of the denoiser's tensors by diffusers' names; None if it is made or fetched later."""
    if source.file is not None:
        return ldm.unet(ldm.inside(shapes(source.file, "model.path"), ldm.UNET), 2)
    if source.folder is not None:
        files = weight_files(source.folder / "unet")
        return {name: shape for file in files for name, shape in shapes(file, "model.path").items()}
    return None


def short_hash(path: Path) -> str:
    """The hash that A1111's ControlNet writes beside the name: of 64 KiB in the file's second MiB."""
    with path.open("rb") as file:
        file.seek(0x100000)
        return sha256(file.read(0x10000)).hexdigest()[:8]


def _in_folder(folder: Path, at: str) -> Path:
    files = [f for f in weight_files(folder) if "-of-" not in f.name]
    if not files:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pth"))
        what = "only a pickle file, which can run code" if pickled else "no .safetensors file"
        raise ConfigError.one(
            at, f"the folder {folder.name!r} has {what}", "use the safetensors version of the ControlNet"
        )
    config: Any = {}
    if (path := folder / "config.json").is_file():
        try:
            config = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as e:
            raise ConfigError.one(at, f"{folder.name}/config.json cannot be read: {e}") from e
    if not isinstance(config, dict) or config.get("_class_name", "ControlNetModel") != "ControlNetModel":
        raise ConfigError.one(at, f"the folder {folder.name!r} is not a ControlNet")
    if config.get("global_pool_conditions") or config.get("controlnet_conditioning_channel_order", "rgb") != "rgb":
        raise ConfigError.one(at, f"{folder.name!r} reads its picture in a way that is not supported")
    return files[0]


def _renamed(name: str) -> str | None:
    """The part of the original layout that a denoiser does not have."""
    if found := re.fullmatch(r"zero_convs\.(\d+)\.0\.(\w+)", name):
        return f"controlnet_down_blocks.{found[1]}.{found[2]}"
    if found := re.fullmatch(r"middle_block_out\.0\.(\w+)", name):
        return f"controlnet_mid_block.{found[1]}"
    if found := re.fullmatch(r"input_hint_block\.(\d+)\.(\w+)", name):
        at = int(found[1]) // 2
        part = "conv_in" if at == 0 else "conv_out" if at == 7 else f"blocks.{at - 1}"
        return f"{_EMBEDDING}{part}.{found[2]}"
    return None


def _widths(base: Mapping[str, Shape]) -> list[int]:
    """The widths of the skip connections."""
    out = [base["conv_in.weight"][0]]
    levels = sorted({int(name.split(".")[1]) for name in base if name.startswith("down_blocks.")})
    for level in levels:
        place = f"down_blocks.{level}."
        width = base[f"{place}resnets.0.conv1.weight"][0]
        count = sum(bool(re.fullmatch(re.escape(place) + r"resnets\.\d+\.conv1\.weight", name)) for name in base)
        out += [width] * (count + (f"{place}downsamplers.0.conv.weight" in base))
    return out


def _kind(found: Mapping[str, Shape]) -> str:
    """The architecture, as the widths of text and first level say."""
    text = next((s[1] for name, s in found.items() if name.endswith("attn2.to_k.weight")), 0)
    first = found.get("conv_in.weight", (0,))[0]
    usual = _WIDTHS.get(text) if first == 320 else None
    return usual or f"a network of {first} channels for texts of {text} numbers"
