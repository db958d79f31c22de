"""The number of parameters of a component, from the headers of its files: nothing is loaded."""

from __future__ import annotations

from math import prod
from pathlib import Path

from sdbatch.engine import randomised
from sdbatch.models import ldm
from sdbatch.models.source import Source, shapes, weight_files

PREFIXES = {"text_encoder": ldm.TEXT, "unet": (ldm.UNET,), "vae": (ldm.VAE,)}


def parameters(name: str, source: Source) -> int:
    """The number of parameters of the component ``name`` of ``source``. Raises ConfigError."""
    if name == "vae" and source.vae is not None:
        return _in_folder(source.vae) if source.vae.is_dir() else in_file(source.vae, ldm.VAE) or in_file(source.vae)
    if source.file is not None:
        return in_file(source.file, *PREFIXES[name])
    if source.folder is not None:
        return _in_folder(source.folder / name)
    return sum(shape.numel() for shape in randomised.shapes(name).values())


def _in_folder(folder: Path) -> int:
    return sum(map(in_file, weight_files(folder)))


def in_file(file: Path, *prefixes: str) -> int:
    """The parameters in a file, or those whose names start with one of ``prefixes``."""
    found = shapes(file, "model").items()
    return sum(prod(shape) for key, shape in found if not prefixes or key.startswith(prefixes))
