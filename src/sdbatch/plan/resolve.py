"""Reads the files that an experiment refers to: prompt files and weights. No later planning step reads files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.fields import Prompt, Prompts
from sdbatch.config.validation import check
from sdbatch.config.yaml_reader import load
from sdbatch.errors import ConfigError, Problem, nearest, shown
from sdbatch.models.locate import locate
from sdbatch.models.source import Source
from sdbatch.prompts.syntax import variants
from sdbatch.spec.canvas import Size
from sdbatch.spec.canvas import parse as parse_canvas
from sdbatch.spec.ranges import slug

FILE_LIMIT = 64 * 2**20
COLUMNS = ("id", "text", "negative")  # of a CSV file
_OTHER_COLUMNS = {"prompt": "text", "negative_prompt": "negative", "name": "id"}  # names in other programs
_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Text:
    """One prompt with its variants expanded. ``negative`` None: the experiment's negative prompt applies."""

    id: str
    text: str
    negative: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """An experiment with its weights, prompts and sizes."""

    experiment: Experiment
    source: Source
    prompts: tuple[Text, ...]
    canvas: tuple[tuple[str, Size], ...]  # (as written, pixels)


def resolve(experiment: Experiment) -> Resolved:
    """Read the prompt files and locate the weights. Raises ConfigError with every mistake found."""
    problems: list[Problem] = []
    prompts: tuple[Text, ...] = ()
    try:
        if experiment.prompts or not any("prompts" in entry for entry in experiment.sweep):
            prompts = read_prompts(experiment.prompts, "prompts")
    except ConfigError as e:
        problems += e.problems
    try:
        source = locate(experiment.model)
    except ConfigError as e:
        raise ConfigError([*problems, *e.problems]) from e
    if problems:
        raise ConfigError(problems)
    return Resolved(experiment, source, prompts, canvas(experiment, source))


def canvas(experiment: Experiment, source: Source) -> tuple[tuple[str, Size], ...]:
    """The experiment's canvas entries as written, and in pixels for the model's native area."""
    return tuple((c, parse_canvas(c, source.native, source.model.scale)) for c in experiment.canvas)


def read_prompts(entries: Iterable[Prompt], key: str) -> tuple[Text, ...]:
    """Prompts with files read, variants expanded and unique ids. Raises ConfigError, also if there is no prompt."""
    problems: list[Problem] = []
    texts: list[Text] = []
    for i, entry in enumerate(entries):
        try:
            texts += [text for e in _entries(entry, f"{key}[{i}]") for text in _expand(e, f"{key}[{i}]")]
        except ConfigError as e:
            problems += e.problems
    if not texts and not problems:
        problems.append(Problem(key, "is empty", "write at least one prompt, or try +experiment=anime_zoom"))
    if problems:
        raise ConfigError(problems)
    return _unique(texts)


def _expand(entry: Prompt, key: str) -> Iterator[Text]:
    try:
        texts = variants(entry.text or "")
    except ValueError as e:
        raise ConfigError.one(key, str(e)) from e
    for n, text in enumerate(texts, 1):
        if not text.strip():
            raise ConfigError.one(key, f"{shown(entry.text)} expands to an empty prompt")
        name = entry.id or slug(text, 24)
        yield Text(f"{name}-{n}" if entry.id and len(texts) > 1 else name, text, entry.negative)


def _unique(texts: list[Text]) -> tuple[Text, ...]:
    """``texts`` with unique ids: repeated ids get -2, -3, …"""
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
    key, name = f"{key}.file", shown(entry.file)
    reader = READERS.get(Path(entry.file).suffix.lower())
    if reader is None:
        raise ConfigError.one(key, f"{name} is not a {', '.join(READERS)} file")
    try:
        rows = reader(_read(entry.file, key))
    except ValueError as e:
        raise ConfigError.one(key, f"{name} {e}") from e
    try:
        prompts = check(Prompts, {"prompts": rows}).prompts
    except ConfigError as e:
        raise ConfigError(
            Problem(key, f"{name}, {p.key.removeprefix('prompts')}: {p.message}", p.hint) for p in e.problems
        ) from e
    if not prompts:
        raise ConfigError.one(key, f"{name} contains no prompt")
    if any(p.file for p in prompts):
        raise ConfigError.one(key, f"{name} refers to another file", "a prompt file can contain texts only")
    return list(prompts)


def _read(file: str, key: str) -> str:
    try:
        path = Path(file).expanduser()
        if path.stat().st_size > FILE_LIMIT:
            raise ConfigError.one(key, f"{shown(file)} is larger than {FILE_LIMIT // 2**20} MiB")
        return path.read_text("utf-8-sig")
    except (OSError, ValueError, RuntimeError) as e:  # RuntimeError: ~ without a home
        reason = "it is not UTF-8 text" if isinstance(e, UnicodeError) else getattr(e, "strerror", None) or e
        hint = "paths are relative to the current folder"
        raise ConfigError.one(key, f"{shown(file)} cannot be read: {reason}", hint) from e


def _yaml(text: str) -> list[Any]:
    try:
        value = load(text)
    except ValueError as e:
        raise ValueError(f"is not YAML: {e}") from e
    if isinstance(value, dict):
        value = value.get("prompts")
    if not isinstance(value, list):
        raise ValueError("is not a list of prompts")
    return value


def _csv(text: str) -> list[Any]:
    head = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=head.count)  # spreadsheets of many countries write semicolons
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        _check_columns(columns)
        return [_row(columns, row, reader.line_num) for row in reader if any(row)]
    except csv.Error as e:
        raise ValueError(f"is not CSV: {e}") from e


def _check_columns(columns: list[str]) -> None:
    for name in columns:
        if name not in COLUMNS:
            hint = nearest(_OTHER_COLUMNS.get(name, name), COLUMNS) or f"known: {', '.join(COLUMNS)}"
            raise ValueError(f"has an unknown column {shown(name)} ({hint})")
    if "text" not in columns:
        raise ValueError(f"has no column named text; allowed columns: {', '.join(COLUMNS)}")
    if len(set(columns)) < len(columns):
        raise ValueError("has a column twice")


def _row(columns: list[str], values: list[str], line: int) -> dict[str, str]:
    """One prompt. Empty values are left out, except the text's. Raises ValueError with the line's number."""
    if len(values) > len(columns):
        raise ValueError(f"line {line}: {len(values)} values for {len(columns)} columns; quote a text with a separator")
    row = dict(zip(columns, values, strict=False))
    if not row.get("text", "").strip():
        raise ValueError(f"line {line}: the text is empty")
    return {name: value for name, value in row.items() if value}


def _lines(text: str) -> list[Any]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


READERS: dict[str, Callable[[str], list[Any]]] = {".yaml": _yaml, ".yml": _yaml, ".csv": _csv, ".txt": _lines}
