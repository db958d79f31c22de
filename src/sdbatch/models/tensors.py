"""Reads tensors of safetensors files as fp32 arrays, without torch: also bfloat16, which numpy does not have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sdbatch.errors import ConfigError
from sdbatch.models.source import PICKLES, shapes

Array = NDArray[np.float32]
MAX_HEADER = 100 * 2**20  # the format's own limit
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}
CONVERT = (
    "convert it, in a program that you trust it to: "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'NEW.safetensors')"
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says before its tensors: their types, shapes and places, and texts about it."""

    path: Path
    entries: Mapping[str, tuple[str, tuple[int, ...], int, int]]  # name: type, shape, first byte, last byte + 1
    texts: Mapping[str, str]
    start: int  # of the tensors
    state: tuple[int, int]  # the file's size and time of change


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A tensor in a file, whose numbers are read when they are needed."""

    file: Header
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.file.entries[self.name][1]

    def read(self, key: str) -> Array:
        """Raises ConfigError, also for a file that was changed after its header was read."""
        path = self.file.path
        try:
            with path.open("rb") as file:
                if _state(path) != self.file.state:
                    raise ConfigError.one(key, f"{path.name!r} was changed during the run")
                return _tensor(file, self.file, self.name)
        except (OSError, ValueError) as e:
            raise ConfigError.one(key, f"{path.name!r} cannot be read: {e}") from e


def header(path: Path, key: str) -> Header:
    """The header of a safetensors file. Raises ConfigError for pickles, and for truncated and other files."""
    if path.suffix.lower() in PICKLES:
        raise ConfigError.one(key, f"{path.name!r} is a pickle file, which can run code", CONVERT)
    if path.suffix.lower() != ".safetensors":
        raise ConfigError.one(key, f"{path.name!r} is not a .safetensors file")
    shapes(path, key)  # the library's checks: sizes, overlaps, the length of the file
    state = _state(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        data = json.loads(file.read(min(length, MAX_HEADER)))
    texts = data.pop("__metadata__", {})
    entries = {name: (e["dtype"], tuple(e["shape"]), *e["data_offsets"]) for name, e in data.items()}
    return Header(path, entries, texts, 8 + length, state)


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def arrays(found: Header, key: str) -> Iterator[tuple[str, Array]]:
    """The tensors, one after the other. Raises ConfigError for types that are not numbers of 16 to 64 bits."""
    for name, (kind, *_) in found.entries.items():
        if kind not in _TYPES:
            raise ConfigError.one(key, f"{found.path.name!r}: {name} has the type {kind}", "supported: F16, BF16, F32")
    try:
        with found.path.open("rb") as file:
            for name in found.entries:
                yield name, _tensor(file, found, name)
    except (OSError, ValueError) as e:
        raise ConfigError.one(key, f"{found.path.name!r} cannot be read: {e}") from e


def _tensor(file: BinaryIO, found: Header, name: str) -> Array:
    kind, shape, first, last = found.entries[name]
    file.seek(found.start + first)
    return _array(file.read(last - first), kind).reshape(shape)


def _array(data: bytes, kind: str) -> Array:
    raw = np.frombuffer(data, _TYPES[kind])
    if kind == "BF16":  # the upper half of an fp32
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32)


def short_hash(found: Header) -> str:
    """The hash that A1111 writes and Civitai calls AutoV3: 12 digits of the SHA-256 of everything after the header."""
    known = found.texts.get("sshs_model_hash", "")
    if len(known) == 64 and not set(known) - set("0123456789abcdef"):
        return known[:12]
    digest = sha256()
    with found.path.open("rb") as file:
        file.seek(found.start)
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()[:12]
