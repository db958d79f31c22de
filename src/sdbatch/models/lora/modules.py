"""A model's modules that a LoRA can change, and the names that they have in other programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from sdbatch.models import ldm
from sdbatch.models.source import Source, shapes, weight_files

Shape = tuple[int, ...]
UNET, TEXT = "unet", "text_encoder"
_FIXED = ("token_embedding", "position_embedding")


@dataclass(frozen=True, eq=False)
class Modules:
    """The shapes of the weights of a model: by module, of the denoiser (diffusers' names) and of the text encoder."""

    unet: Mapping[str, Shape]
    text: Mapping[str, Shape]

    @classmethod
    def of(cls, unet: Mapping[str, Shape], text: Mapping[str, Shape]) -> Modules:
        """From the shapes of all tensors of both, by name."""
        return cls(_weights(unet), _weights(text))

    @property
    def text_width(self) -> int | None:
        """The width of the text encoder's token vectors."""
        return next((s[1] for path, s in self.text.items() if path.endswith("q_proj")), None)

    def shape(self, target: tuple[str, str]) -> Shape:
        part, path = target
        return (self.unet if part == UNET else self.text)[path]

    @cached_property
    def names(self) -> Mapping[str, tuple[str, str]]:
        """Every name of a module in LoRA files, and the (part, module) that it means."""
        found = {name: (TEXT, path) for path in self.text for name in _text_names(path)}
        layers = [int(m[1]) for path in self.unet if (m := re.match(r"down_blocks\.0\.resnets\.(\d+)\.", path))]
        per = max(layers, default=1) + 2  # blocks per level in the original count
        return found | {name: (UNET, path) for path in self.unet for name in _unet_names(path, per)}


@lru_cache(maxsize=64)
def modules_of(source: Source) -> Modules | None:
    """The modules of a model on disk; None if its weights are made or fetched later. Raises ConfigError."""
    if source.file is not None:
        found = shapes(source.file, "model.path")
        unet, text = ldm.inside(found, ldm.UNET), ldm.inside(found, *ldm.TEXT)
        return Modules.of(ldm.unet(unet, 2), text)
    if source.folder is not None:
        return Modules.of(*(_of_folder(source.folder / part) for part in (UNET, TEXT)))
    return None


def _of_folder(folder: Path) -> dict[str, Shape]:
    return {name: shape for file in weight_files(folder) for name, shape in shapes(file, "model.path").items()}


def _weights(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Modules with a matrix or a kernel."""
    found = ((k.removeprefix("text_model."), s) for k, s in shapes.items() if k.endswith(".weight") and len(s) > 1)
    return {k.removesuffix(".weight"): s for k, s in found if not any(name in k for name in _FIXED)}


def _unet_names(path: str, per: int) -> Iterator[str]:
    original = ldm.original(path, per)
    for name in (path, original):
        if name is not None:
            yield f"lora_unet_{name.replace('.', '_')}"
    yield f"lycoris_{path.replace('.', '_')}"
    yield from (path, f"unet.{path}")
    if original is not None:
        yield from (f"{ldm.UNET}{original}", f"diffusion_model.{original}")


def _text_names(path: str) -> Iterator[str]:
    for name in (f"text_model.{path}", path):
        flat = name.replace(".", "_")
        yield from (f"lora_te_{flat}", f"lora_te1_{flat}", name, f"text_encoder.{name}")
