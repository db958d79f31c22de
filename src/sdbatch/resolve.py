"""The only step that reads what an experiment names: prompt files and weights. Afterwards everything is values."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sdbatch.canvas import Size
from sdbatch.canvas import parse as parse_canvas
from sdbatch.errors import ConfigError, Problem
from sdbatch.experiment import Experiment, Prompt
from sdbatch.prompts import variants
from sdbatch.text import slug
from sdbatch.validation import check
from sdbatch.weights import Source, locate

FILE_LIMIT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Text:
    """One prompt as it is rendered: variants expanded, ``negative`` None where the experiment's holds."""

    id: str
    text: str
    negative: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """An experiment and what it names."""

    experiment: Experiment
    source: Source
    prompts: tuple[Text, ...]
    canvas: tuple[tuple[str, Size], ...]  # (as written, pixels)


def resolve(experiment: Experiment) -> Resolved:
    """Read prompt files and find the weights. Raises ConfigError with everything that is wrong."""
    problems: list[Problem] = []
    prompts: tuple[Text, ...] = ()
    try:
        prompts = read_prompts(experiment.prompts, "prompts")
    except ConfigError as e:
        problems += e.problems
    try:
        source = locate(experiment.model)
    except ConfigError as e:
        raise ConfigError([*problems, *e.problems]) from e
    if problems:
        raise ConfigError(problems)
    canvas = tuple((str(c), parse_canvas(c, source.native, source.model.scale)) for c in experiment.canvas)
    return Resolved(experiment, source, prompts, canvas)


def read_prompts(entries: Iterable[Prompt], key: str) -> tuple[Text, ...]:
    """Entries with files read, variants expanded and ids given. Raises ConfigError (an empty set is a mistake)."""
    problems: list[Problem] = []
    found: list[Text] = []
    for i, entry in enumerate(entries):
        try:
            found += [text for e in _entries(entry, f"{key}[{i}]") for text in _expand(e)]
        except ConfigError as e:
            problems += e.problems
    if not found and not problems:
        problems.append(Problem(key, "is empty", "write at least one prompt"))
    problems += _blank(found, key)
    if problems:
        raise ConfigError(problems)
    return _unique(found)


def _blank(found: list[Text], key: str) -> list[Problem]:
    return [Problem(key, f"prompt {i + 1} is empty") for i, t in enumerate(found) if not t.text.strip()]


def _expand(entry: Prompt) -> Iterator[Text]:
    texts = variants(entry.text or "")
    for n, text in enumerate(texts, 1):
        name = entry.id or slug(text, 24)
        yield Text(f"{name}-{n}" if entry.id and len(texts) > 1 else name, text, entry.negative)


def _unique(texts: list[Text]) -> tuple[Text, ...]:
    """Ids made unique by numbering; an id that a later prompt repeats gets -2, -3, …"""
    seen: Counter[str] = Counter()
    taken = {t.id for t in texts}
    out = []
    for t in texts:
        seen[t.id] += 1
        name, n = t.id, seen[t.id]
        while n > 1 and (name := f"{t.id}-{n}") in taken:
            n += 1
        taken.add(name)
        out.append(Text(name, t.text, t.negative))
    return tuple(out)


def _entries(entry: Prompt, key: str) -> list[Prompt]:
    if entry.file is None:
        return [entry]
    path = Path(entry.file).expanduser()
    reader = {".yaml": _yaml, ".yml": _yaml, ".csv": _csv, ".txt": _lines}.get(path.suffix.lower())
    if reader is None:
        raise ConfigError.one(f"{key}.file", f"{entry.file!r} is no .yaml, .csv or .txt file")
    rows = reader(_read(path, f"{key}.file"), f"{key}.file")
    prompts = [check(Prompt, row, f"{path.name}[{i}]") for i, row in enumerate(rows)]
    if not prompts:
        raise ConfigError.one(f"{key}.file", f"{entry.file!r} holds no prompt")
    if any(p.file for p in prompts):
        raise ConfigError.one(f"{key}.file", f"{entry.file!r} names another file", "a prompt file holds texts")
    return prompts


def _read(path: Path, key: str) -> str:
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ConfigError.one(key, f"{str(path)!r} is larger than {FILE_LIMIT // 2**20} MiB")
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) and e.strerror else "is not UTF-8 text"
        hint = "paths are relative to the folder you start sdbatch in"
        raise ConfigError.one(key, f"{str(path)!r} cannot be read: {why}", hint) from e


def _yaml(text: str, key: str) -> list[dict[str, Any]]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise ConfigError.one(key, "is not YAML: " + " ".join(str(e).split())) from e
    if isinstance(value, dict):
        value = value.get("prompts")
    if not isinstance(value, list):
        raise ConfigError.one(key, "is not a list of prompts")
    return [{"text": v} if isinstance(v, str) else v if isinstance(v, dict) else {"text": str(v)} for v in value]


def _csv(text: str, key: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    if "text" not in (reader.fieldnames or ()):
        raise ConfigError.one(key, "has no column named text", "columns are id, text, negative")
    try:
        return [{k: v for k, v in row.items() if k in ("id", "text", "negative") and v} for row in reader]
    except csv.Error as e:
        raise ConfigError.one(key, f"is not CSV: {e}") from e


def _lines(text: str, key: str) -> list[dict[str, Any]]:
    lines = (line.strip() for line in text.splitlines())
    return [{"text": line} for line in lines if line and not line.startswith("#")]
