"""A model's modules that a LoRA can change, and the names that they have in other programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sdbatch.models import ldm

Shape = tuple[int, ...]
UNET, TEXT = "unet", "text_encoder"
_FIXED = ("token_embedding", "position_embedding")


@dataclass(frozen=True)
class Modules:
    """The shapes of the weights of a model: by module, of the denoiser (diffusers' names) and of the text encoder."""

    unet: Mapping[str, Shape]
    text: Mapping[str, Shape]

    @classmethod
    def of(cls, unet: Mapping[str, Shape], text: Mapping[str, Shape]) -> Modules:
        """From the shapes of all tensors of both, by name."""
        return cls(_weights(unet), _weights(text))

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
