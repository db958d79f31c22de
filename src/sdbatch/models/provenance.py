"""Where weights are from: origin, licence, and the SHA-256 of every file. Reads files; downloads nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch.config.yaml_reader import load
from sdbatch.models.digests import Cache, model_files
from sdbatch.models.source import SHIPPED, Source
from sdbatch.models.tensors import header
from sdbatch.spec.adapters import Embedding, Lora
from sdbatch.spec.control import Control

_LICENCES = {"stable-diffusion-v1-5/stable-diffusion-v1-5": "creativeml-openrail-m"}  # of hub models: no card here
_CARD_LIMIT = 1 << 16
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WeightFile:
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """``identity`` is what job ids contain of the weights. ``files`` is empty if they have none, or none here."""

    identity: str
    origin: str
    licence: str
    files: tuple[WeightFile, ...]


def provenance(source: Source) -> tuple[Provenance, ...]:
    """The weights of ``source``, and of its separate VAE."""
    repo, at, revision = source.model.weights.partition("@")
    if at:
        origin = f"Hugging Face hub, repository {repo}, commit {revision}"
    elif source.folder and source.folder.is_relative_to(SHIPPED):
        origin = f"embedded in sdbatch ({source.folder.name})"
    elif source.folder or source.file:
        origin = f"a local {'folder' if source.folder else 'file'}, {(source.folder or source.file or Path()).name}"
    else:
        origin = f"made by sdbatch, without files (model.kind={source.kind})"
    files = _files(source.folder or source.file)
    licence = _LICENCES.get(repo) or _licence(source.folder)
    found = [Provenance(source.model.weights, origin, licence, files)]
    if source.vae:
        place = f"a local VAE, {source.vae.name}"
        found.append(Provenance(source.model.vae, place, _licence(source.vae), _files(source.vae)))
    return tuple(found)


def file_of(found: Lora | Embedding | Control) -> str:
    """The digest of its file."""
    return found.net if isinstance(found, Control) else found.file


def of_adapter(found: Lora | Embedding | Control, path: Path) -> Provenance:
    """A LoRA, textual inversion or ControlNet. Its licence: what its header says (ModelSpec), or the card beside it."""
    kind = {Lora: "LoRA", Embedding: "textual inversion", Control: "ControlNet"}[type(found)]
    own = path.is_relative_to(SHIPPED)
    origin = f"{kind} {found.name}, {'embedded in sdbatch' if own else 'a local file'}"
    stated = header(path, "loras").texts.get("modelspec.license", "")
    return Provenance(file_of(found), origin, stated[:100] or _licence(path.parent), _files(path))


def _files(place: Path | None) -> tuple[WeightFile, ...]:
    if place is None:
        return ()
    named = model_files(place) if place.is_dir() else {place.name: place}
    cache = Cache.load()
    out = tuple(WeightFile(n, p.stat().st_size, cache.digest(p, "sha256")) for n, p in sorted(named.items()))
    cache.save()
    return out


def _licence(folder: Path | None) -> str:
    """The licence that a model card states: the key ``license`` of its YAML head."""
    with suppress(OSError, ValueError):
        if folder and folder.is_dir():
            with (folder / "README.md").open("rb") as f:
                _, head, _ = f.read(_CARD_LIMIT).decode("utf-8", "replace").split("---\n", 2)
            data: Any = load(head)
            if isinstance(data, dict) and isinstance(data.get("license"), str):
                return str(data["license"])[:100]
    return UNKNOWN
