"""The models of an experiment: entries of ``models`` as settings with short names, and where their weights are.

Reads the files of ``conf/model/`` that entries name, and the weights' headers; each model is located once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path, PurePath
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.folders import OWN_FOLDER, conf_dir
from sdbatch.config.model import ModelEntry, ModelSettings
from sdbatch.config.validation import check
from sdbatch.config.yaml_reader import load
from sdbatch.errors import ConfigError, Problem, Problems, nearest, shown
from sdbatch.files.home import expanded
from sdbatch.models.locate import locate
from sdbatch.models.source import PICKLES, Source
from sdbatch.spec.jobs import Model

_SHARED = ("vae", "clip_skip", "native", "safety_checker")


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of the axis ``models``: its short name and its settings."""

    name: str
    settings: ModelSettings


@dataclass(frozen=True, slots=True)
class Locator:
    """Finds the weights of settings, each once. ``adapters``: the files of LoRAs and textual inversions."""

    adapters: Mapping[str, Path] = field(default_factory=dict)
    _known: dict[ModelSettings, Source] = field(default_factory=dict)

    def __call__(self, settings: ModelSettings) -> Source:
        """Where the weights are. Raises ConfigError."""
        if settings not in self._known:
            self._known[settings] = replace(locate(settings), adapters=self.adapters)
        return self._known[settings]

    @property
    def found(self) -> tuple[Source, ...]:
        """All weights that were found."""
        return tuple(self._known.values())


def choices(entries: Sequence[ModelEntry], base: ModelSettings, at: str, find: Locator) -> tuple[Choice, ...]:
    """The models that ``entries`` name; keys that an entry does not set are those of ``base``. Names are unique.

    Raises ConfigError with every mistake, also if ``find`` finds no weights; keys start with ``at``.
    """
    problems = Problems()
    settings: list[ModelSettings] = []
    for i, entry in enumerate(entries):
        try:
            settings.append(_settings(entry, base, f"{at}[{i}]"))
            find(settings[-1])
        except ConfigError as e:
            problems += [Problem(re.sub(r"^model\b", f"{at}[{i}]", p.key), p.message, p.hint) for p in e.problems]
    problems += [
        Problem(f"{at}[{i}].name", f"{shown(entry.name)} is used twice", "give each model a name of its own")
        for i, entry in enumerate(entries)
        if entry.name and entry.name in [e.name for e in entries[:i]]
    ]
    problems.report()
    return tuple(map(Choice, _unique(map(_name, entries, settings)), settings))


def named(experiment: Experiment, find: Locator) -> Iterator[ModelSettings]:
    """All settings that the experiment's keys can select. Entries that are wrong are left out."""
    entries = [("models", experiment.models)]
    swept = {k: v for entry in experiment.sweep for k, v in entry.items() if isinstance(v, list)}
    try:
        if "models" in swept:
            entries.append(("sweep.models", check(Experiment, {"models": swept["models"]}).models))
        found = [c.settings for at, e in entries for c in choices(e, experiment.model, at, find)] or [experiment.model]
    except ConfigError:
        found = [experiment.model]
    for base, vae, skip in product(found, swept.get("model.vae", [...]), swept.get("model.clip_skip", [...])):
        try:
            yield changed(base, {k: v for k, v in (("vae", vae), ("clip_skip", skip)) if v is not ...})
        except ConfigError:
            continue


def located(experiment: Experiment) -> dict[Source, ModelSettings]:
    """The weights that the experiment's keys can select. Raises ConfigError if there are none."""
    found: dict[Model, tuple[Source, ModelSettings]] = {}
    problems = Problems()
    find = Locator()
    for settings in named(experiment, find):
        with problems:
            source = find(settings)
            found.setdefault(source.model, (source, settings))
    if not found:
        raise ConfigError(dict.fromkeys(problems))
    return dict(found.values())


def by_key(models: Mapping[Source, ModelSettings]) -> dict[str, ModelSettings]:
    """The settings of each model, by ``Model.key``."""
    return {source.model.key: settings for source, settings in models.items()}


def changed(base: ModelSettings, update: dict[str, Any]) -> ModelSettings:
    """``base`` with other values, validated. Raises ConfigError."""
    return check(ModelSettings, {**base.model_dump(mode="json"), **update}, "model") if update else base


def _settings(entry: ModelEntry, base: ModelSettings, at: str) -> ModelSettings:
    data = base.model_dump(mode="json")
    shared = {key: data[key] for key in (*_SHARED, "fake")}
    if entry.model is not None:
        data = {**shared, **_of_name(entry.model, at)}
    elif entry.path is not None:
        data = {**shared, "kind": "local", "path": entry.path}
    elif entry.repo is not None:
        data = {**shared, "kind": "hub", "repo": entry.repo, "revision": entry.revision}
    given = {key: getattr(entry, key) for key in _SHARED if getattr(entry, key) is not None}
    return check(ModelSettings, data | given, at)


def _of_name(text: str, at: str) -> dict[str, Any]:
    """The data of a file in conf/model/, or those of a path."""
    for folder in (Path(OWN_FOLDER), conf_dir()):
        file = folder / "model" / f"{text}.yaml"
        if PurePath(text).name == text and file.is_file():
            return _yaml(file, at)
    if expanded(text, at).exists() or text.lower().endswith((".safetensors", *PICKLES)) or "/" in text:
        return {"kind": "local", "path": text}
    known = sorted({file.stem for folder in (Path(OWN_FOLDER), conf_dir()) for file in folder.glob("model/*.yaml")})
    hint = nearest(text, known) or f"known: {', '.join(known)}; or write a path"
    raise ConfigError.one(at, f"{shown(text)} is neither a model nor a file or folder", hint)


def _yaml(file: Path, at: str) -> dict[str, Any]:
    try:
        data = load(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as e:
        raise ConfigError.one(at, f"{file.name} cannot be read: {e}") from e
    if not isinstance(data, dict):
        raise ConfigError.one(at, f"{file.name} is not a mapping of keys")
    return {key: value for key, value in data.items() if key != "defaults"}


def _name(entry: ModelEntry, settings: ModelSettings) -> str:
    """The given name, or one of the file and of what differs."""
    if entry.name is not None:
        return entry.name
    where = entry.model or entry.path or entry.repo or settings.kind
    parts = [vae_label(entry.vae)] if entry.vae is not None else []
    parts += [f"clip {entry.clip_skip}"] if entry.clip_skip is not None else []
    return " + ".join([_stem(where), *parts])


def vae_label(value: str | None) -> str:
    """The short name of a VAE: of its file or folder; null is that of the model."""
    return "own" if value is None else _stem(value)


def _stem(path: str) -> str:
    name = PurePath(path).name or path
    return name.removesuffix(".safetensors") or name


def _unique(names: Iterable[str]) -> list[str]:
    out: list[str] = []
    for name in names:
        number, plain = 2, name
        while name in out:
            name, number = f"{plain} {number}", number + 1  # noqa: PLW2901
        out.append(name)
    return out
