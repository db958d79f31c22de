"""Reads the prompts of an experiment: files read, ``{a|b}`` and wildcards expanded, ids made unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdbatch.config.prompts import Prompt, Prompts, WildcardSettings
from sdbatch.config.validation import check
from sdbatch.config.yaml_reader import load
from sdbatch.errors import ConfigError, Problem, Problems, nearest, shown
from sdbatch.models.adapters import Adapters
from sdbatch.plan.lora_axis import one_choice
from sdbatch.plan.styles import Styles
from sdbatch.plan.text_file import read_file, table
from sdbatch.plan.wildcards import WildcardFolder
from sdbatch.prompts.combine import LIMIT
from sdbatch.prompts.expansion import variants
from sdbatch.prompts.findings import findings
from sdbatch.spec.adapters import Lora
from sdbatch.spec.ranges import LABEL, slug

COLUMNS = ("id", "text", "negative")  # of a CSV file
_OTHER_COLUMNS = {"prompt": "text", "negative_prompt": "negative", "name": "id"}  # names in other programs


@dataclass(frozen=True, slots=True)
class Text:
    """One prompt with its variants expanded. ``negative`` None: the experiment's negative prompt applies.

    ``loras`` are those of the prompt alone; ``notes`` are warnings about the text as written.
    """

    id: str
    text: str
    negative: str | None = None
    notes: tuple[str, ...] = ()
    loras: tuple[Lora, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """What the prompts of one experiment refer to."""

    wildcards: WildcardSettings
    styles: Styles
    adapters: Adapters


def read_prompts(entries: Iterable[Prompt], key: str, reader: Reader) -> tuple[Text, ...]:
    """Prompts with files read, styles applied, variants expanded and unique ids.

    Raises ConfigError, also if there is no prompt.
    """
    problems = Problems()
    texts: list[Text] = []
    expand = _Expander(reader)
    for i, entry in enumerate(entries):
        with problems:
            texts += [text for e in _entries(entry, f"{key}[{i}]") for text in expand(e, f"{key}[{i}]")]
    if not texts and not problems:
        problems.append(Problem(key, "is empty", "write at least one prompt, or try +experiment=anime_zoom"))
    problems.report()
    return _unique(texts)


class _Expander:
    """Expands prompts with the wildcards, styles and LoRAs of one experiment."""

    def __init__(self, reader: Reader) -> None:
        self._wildcards = WildcardFolder(reader.wildcards.folder)
        self._seed = reader.wildcards.seed
        self._styles = reader.styles
        self._adapters = reader.adapters

    def __call__(self, entry: Prompt, key: str) -> Iterator[Text]:
        written = self._styles.prompt(entry.text or "")
        try:
            texts = self._texts(entry, written)
        except ValueError as e:
            raise ConfigError.one(key, str(e)) from e
        notes = findings(written)
        negative = None if entry.negative is None else self._styles.negative(entry.negative)
        own = one_choice(entry.loras, f"{key}.loras", self._adapters)
        for n, text in enumerate(texts, 1):
            if not text.strip() and not (entry.id and entry.text == ""):  # an id says that it is meant
                raise ConfigError.one(
                    key, f"{shown(entry.text)} expands to an empty prompt", 'write {id: NAME, text: ""} for none'
                )
            plain, tagged = self._adapters.extracted(text, key)
            name = entry.id or slug(plain, LABEL)
            yield Text(f"{name}-{n}" if entry.id and len(texts) > 1 else name, plain, negative, notes, own + tagged)

    def _texts(self, entry: Prompt, written: str) -> list[str]:
        """The distinct texts of ``written``. Draws depend on it and on the id, not on the entries beside it."""
        found: dict[str, None] = {}
        for n in range(entry.draws):
            own = f"{self._seed}\0{entry.id or ''}\0{written}\0{n}"
            found |= dict.fromkeys(variants(written, self._wildcards, own))
            if len(found) > LIMIT:
                raise ValueError(f"{entry.draws:,} draws expand to more than {LIMIT:,} variants")
        return list(found)


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
        out.append(replace(t, id=name))
    return tuple(out)


def _entries(entry: Prompt, key: str) -> list[Prompt]:
    if entry.file is None:
        return [entry]
    key, name = f"{key}.file", shown(entry.file)
    reader = READERS.get(Path(entry.file).suffix.lower())
    if reader is None:
        raise ConfigError.one(key, f"{name} is not a {', '.join(READERS)} file")
    try:
        rows = reader(read_file(entry.file, key))
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
    rows = table(text)
    columns = [name.strip() for name in next(rows, (0, []))[1]]
    _check_columns(columns)
    return [_row(columns, values, line) for line, values in rows]


def _check_columns(columns: list[str]) -> None:
    while columns and not columns[-1]:
        columns.pop()
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
    while len(values) > len(columns) and not values[-1]:  # spreadsheets end rows with empty cells
        values = values[:-1]
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
