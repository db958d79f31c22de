"""Textual inversions: files with a few vectors that a name in a prompt stands for. Safetensors only, without torch.

Three layouts: ``emb_params`` (A1111, kohya), a token's name (diffusers' ``learned_embeds``), and ``*`` (A1111's older
files, converted).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdbatch.errors import ConfigError
from sdbatch.models.tensors import Array, Header, arrays, header
from sdbatch.spec.limits import VECTORS

_PLAIN = ("emb_params", "*", "string_to_param.*")
_XL = {"clip_l", "clip_g"}


def trigger(found: Header) -> str:
    """The name that a file gives itself (diffusers); "" if it has none."""
    names = list(found.entries)
    return names[0] if len(names) == 1 and names[0] not in _PLAIN else ""


def read(path: Path, key: str) -> Array:
    """The vectors (n, width). Raises ConfigError."""
    found = header(path, key)
    if found.entries.keys() >= _XL:
        raise ConfigError.one(key, f"{path.name!r} is a textual inversion for Stable Diffusion XL")
    tensors = dict(arrays(found, key))
    name = next((name for name in _PLAIN if name in tensors), trigger(found))
    vectors = tensors.get(name)
    if vectors is None:
        names = ", ".join(list(tensors)[:3]) or "nothing"
        raise ConfigError.one(key, f"{path.name!r} is not a textual inversion", f"it contains {names}")
    vectors = vectors.reshape(1, -1) if vectors.ndim == 1 else vectors
    if vectors.ndim != 2 or len(vectors) not in VECTORS:
        shape = "×".join(map(str, vectors.shape))
        raise ConfigError.one(key, f"{path.name!r} has vectors of shape {shape}", f"possible are {VECTORS} vectors")
    if not np.isfinite(vectors).all():
        raise ConfigError.one(key, f"{path.name!r}: {name} is not finite", "the file is damaged (NaN)")
    return vectors
