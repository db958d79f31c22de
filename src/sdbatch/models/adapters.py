"""The LoRAs, textual inversions and ControlNets that an experiment names: found, read, checked against its models,
and digested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from sdbatch.errors import ConfigError, Problem, Problems
from sdbatch.files.home import expanded
from sdbatch.models import controlnet, embedding
from sdbatch.models.controlnet import NetFile
from sdbatch.models.digests import sha256_of
from sdbatch.models.folders import Folders, digest_of
from sdbatch.models.lora import file as lora_file
from sdbatch.models.lora.file import LoraFile
from sdbatch.models.lora.modules import Modules, modules_of
from sdbatch.models.source import PICKLES, SHIPPED, Source, plain_name
from sdbatch.models.tensors import header, short_hash
from sdbatch.prompts.networks import extract
from sdbatch.prompts.syntax import Insert, named
from sdbatch.spec.adapters import Embedding, Lora, lora
from sdbatch.spec.control import Control

LORAS, EMBEDDINGS, NETS = "lora_folders", "embedding_folders", "control_folders"


class Adapters:
    """Every file is read once, when it is first named. ``files`` are those that were named, by digest.

    Files that are named after ``misfits`` was asked are compared with its models at once.
    """

    def __init__(self, loras: Sequence[str], embeddings: Sequence[str], nets: Sequence[str] = ()) -> None:
        self.loras = Folders(_paths(loras), LORAS, SHIPPED / "loras")
        self.embeddings = Folders(_paths(embeddings), EMBEDDINGS, SHIPPED / "embeddings")
        self.nets = Folders(_paths(nets), NETS, SHIPPED / "controlnets")
        self.files: dict[str, Path] = {}
        self._sources: tuple[Source, ...] = ()
        self._models: tuple[Modules, ...] = ()
        self._loras: dict[Path, Lora] = {}
        self._read_files: list[tuple[LoraFile, str]] = []  # and the keys that named them
        self._found: dict[str, Embedding] = {}
        self._lengths: dict[str, tuple[str, int]] = {}  # of those: the file's name, and numbers of a vector
        self._nets: dict[Path, tuple[NetFile, str, str]] = {}  # file: the net, the key that named it, its digest

    def lora(self, name: str, unet: float, text: float | None, at: str) -> Lora:
        """The LoRA that ``name`` (in the folders) or a path names. Raises ConfigError with the key ``at``."""
        path = expanded(name, at)
        if path.suffix.lower() not in (".safetensors", *PICKLES) or not path.is_file():
            path = self.loras.find(name.removesuffix(".safetensors"), at)
        return lora(self._read(path, at), unet, text)

    def lora_file(self, name: str, digest: str) -> Path | None:
        """The LoRA with the hash ``digest`` (A1111's), else the one called ``name``; None if there is neither."""
        same = self.loras.where(lambda path: _hash(path) == digest, name) if digest else None
        return same or self.loras.where(lambda path: path in self.loras.by_name.get(name, ()), name)

    def net(self, name: str, at: str) -> tuple[str, str, str]:
        """(digest, name, A1111's hash) of the ControlNet that ``name`` (in the folders) or a path names.

        Raises ConfigError with the key ``at``.
        """
        path = expanded(name, at)
        if not (path.is_dir() or (path.is_file() and path.suffix.lower() in (".safetensors", *PICKLES))):
            path = self.nets.find(name.removesuffix(".safetensors"), at)
        path = path.absolute()  # a link has the name that the user gave it
        if path not in self._nets:
            found = controlnet.read(path, at)
            problems = Problems(p for source in self._sources for p in controlnet.misfit(found, source, at))
            problems.report()
            self._nets[path] = (found, at, digest_of(found.path))
            self.files[self._nets[path][2]] = found.path
        found, _, digest = self._nets[path]
        return digest, plain_name(found.name), controlnet.short_hash(found.path)

    def bind(self, loras: Iterable[Lora], embeddings: Iterable[Embedding], controls: Iterable[Control] = ()) -> None:
        """Find the files of ``loras``, ``embeddings`` and ``controls`` by digest.

        Raises ConfigError for those that are not here.
        """
        wanted = {lora.file: (lora.name, self.loras) for lora in loras}
        wanted |= {e.file: (e.name, self.embeddings) for e in embeddings}
        wanted |= {control.net: (control.name, self.nets) for control in controls}
        problems = Problems()
        for digest, (name, folders) in wanted.items():
            path = self.files.get(digest) or folders.with_digest(digest, name)
            if path is None:
                said = f"{name or 'a file'} ({digest}), which was used, is not in {folders.said}"
                problems.append(Problem(folders.key, said, "name the folder that it is in"))
            else:
                self.files[digest] = path.resolve()
        problems.report()

    def extracted(self, text: str, at: str) -> tuple[str, tuple[Lora, ...]]:
        """``text`` without the tags of LoRAs, and these LoRAs. Raises ConfigError."""
        try:
            plain, tags = extract(text)
        except ValueError as e:
            raise ConfigError.one(at, str(e)) from e
        return plain, tuple(self.lora(tag.name, tag.unet, tag.text, at) for tag in tags)

    def in_texts(self, texts: Sequence[str]) -> tuple[Embedding, ...]:
        """The textual inversions that ``texts`` name, by name. Raises ConfigError for those that do not fit."""
        if not self._names:
            return ()
        found = {insert.name for text in texts for _, _, insert in named(text, self._names)}
        return tuple(self._embedding(name) for name in sorted(found))

    def misfits(self, sources: Iterable[Source]) -> list[Problem]:
        """What is wrong with LoRAs and ControlNets that do not fit one of ``sources``. Models that are fetched later
        are not known."""
        self._sources = sources = tuple(sources)
        self._models = tuple(m for m in dict.fromkeys(map(modules_of, sources)) if m is not None)
        problems = Problems()
        for found, at in self._read_files:
            for modules in self._models:
                with problems:
                    lora_file.matched(found, modules, at)
        for name, (file, length) in self._lengths.items():
            if wrong := self._wrong_length(file, length):
                problems.append(Problem(EMBEDDINGS, f"{name}: {wrong}", "it was made for another model"))
        problems += [p for net, at, _ in self._nets.values() for s in sources for p in controlnet.misfit(net, s, at)]
        return list(dict.fromkeys(problems))

    def _read(self, path: Path, at: str) -> Lora:
        path = path.resolve()
        if path not in self._loras:
            found = lora_file.read(path, at)
            for modules in self._models:
                lora_file.matched(found, modules, at)
            self._read_files.append((found, at))
            digest = digest_of(path)
            name = path.parent.name if path.stem == "adapter_model" else path.stem
            self._loras[path] = Lora(digest, 1.0, None, plain_name(name), short_hash(header(path, at)))
            self.files[digest] = path
        return self._loras[path]

    @cached_property
    def _names(self) -> tuple[Insert, ...]:
        """The names of all textual inversions: of files, and those that files of diffusers state."""
        return tuple(Insert(name, 1) for name in sorted(self._paths))

    @cached_property
    def _paths(self) -> dict[str, Path]:
        stated = {}
        for paths in self.embeddings.by_name.values():
            for path in paths:
                if path.suffix.lower() == ".safetensors" and (name := _stated(path)):
                    stated[name] = path
        names = (name for name in self.embeddings.by_name if "/" not in name)
        return stated | {name: self.embeddings.by_name[name][0] for name in names}

    def _embedding(self, name: str) -> Embedding:
        if name not in self._found:
            at = EMBEDDINGS
            by_name = self.embeddings.by_name
            path = (self.embeddings.find(name, at) if name in by_name else self._paths[name]).resolve()
            vectors = embedding.read(path, at)
            self._lengths[name] = (path.name, vectors.shape[1])
            if wrong := self._wrong_length(*self._lengths[name]):
                raise ConfigError.one(at, wrong, "it was made for another model")
            digest = digest_of(path)
            self._found[name] = Embedding(name, digest, len(vectors), sha256_of(path)[:12])
            self.files[digest] = path
        return self._found[name]

    def _wrong_length(self, file: str, length: int) -> str:
        """What is wrong with vectors of ``length`` numbers; empty if they fit all models."""
        widths = {m.text_width for m in self._models if m.text_width not in (None, length)}
        return f"{file!r} has vectors of {length} numbers, and the model's have {widths.pop()}" if widths else ""


def _paths(folders: Sequence[str]) -> list[Path]:
    return [Path(folder).expanduser() for folder in folders]


def _hash(path: Path) -> str:
    try:
        return short_hash(header(path, LORAS))
    except ConfigError:
        return ""


def _stated(path: Path) -> str:
    try:
        return embedding.trigger(header(path, EMBEDDINGS))
    except ConfigError:
        return ""
