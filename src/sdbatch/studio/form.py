"""What the page sends, and what the form holds as keys of an experiment: typed texts become numbers, lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sdbatch.config.fields import SLUG
from sdbatch.config.registry import DEFAULT_MODEL
from sdbatch.config.yaml_reader import load
from sdbatch.errors import ConfigError, Problem
from sdbatch.spec.ranges import is_range, slug
from sdbatch.studio.describe import FILM, FormField, fields

_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
_WORDS = {"true": True, "false": False, "null": None}
_SCALARS = ("integer", "number", "choice", "boolean")


class Form(BaseModel):
    """The whole form, as the page sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["picture", "film"] = "picture"
    model: str = Field(DEFAULT_MODEL, max_length=64)
    name: str = Field("", max_length=200)
    fields: dict[str, Any] = {}
    replace: bool = False  # write into the file of that name, if it exists
    n: int = 0


class Opened(BaseModel):
    """Which experiment to open: one of the user's, or a shipped one."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, pattern=SLUG)
    shipped: str | None = Field(None, pattern=SLUG)


class Wanted(BaseModel):
    """A final: which jobs of which experiment, and the changed keys."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=SLUG)
    jobs: list[str] = Field(max_length=10_000)
    set: dict[str, Any] = {}
    final: str = Field("", max_length=64)


@dataclass(slots=True)
class Settings:
    """Keys of an experiment as nested data. ``swept`` are the fields that became entries of ``sweep``, in order."""

    data: dict[str, Any] = field(default_factory=dict)
    swept: list[str] = field(default_factory=list)

    def shown(self, problem: Problem) -> Problem:
        """``problem`` under the name of its field: an entry of ``sweep`` may have come from another one."""
        key = problem.key
        if m := re.match(r"sweep\[(\d+)\]", key):
            n = int(m[1])
            own = n < len(self.swept)
            key = key[m.end() :].removeprefix(".") if own else f"sweep[{n - len(self.swept)}]{key[m.end() :]}"
        return Problem(key, problem.message, problem.hint)


def settings(form: Form) -> Settings:
    """The keys that the form sets. Raises ConfigError for unknown fields and for texts that cannot be read."""
    known, out, problems = fields(), Settings(), list[Problem]()
    sweeps: list[Any] = []
    for key, value in form.fields.items():
        if key not in known:
            problems.append(Problem(key[:100], "is not a field of the form"))
        elif not _empty(value) and (form.kind == "film" or not known[key].film):
            try:
                _put(out, sweeps, known[key], value)
            except ValueError as e:
                problems.append(Problem(key, str(e)))
    if problems:
        raise ConfigError(problems)
    if form.kind == "picture":
        _without_films(out.data)
    if sweeps or "sweep" in out.data:
        further = out.data.get("sweep", [])
        out.data["sweep"] = [*sweeps, *further] if isinstance(further, list) else further
    out.data["name"] = form.name.strip() or slug(_first_text(out.data))
    return out


def _without_films(data: dict[str, Any]) -> None:
    """Pictures are not swept over a film's keys, and a rule that names one skips no picture."""
    if isinstance(entries := data.get("sweep"), list):
        kept = [{k: v for k, v in e.items() if not _of_films(k)} if isinstance(e, dict) else e for e in entries]
        data["sweep"] = [e for e in kept if e]
    if isinstance(rules := data.get("skip"), list):
        data["skip"] = [r for r in rules if not (isinstance(r, dict) and any(map(_of_films, r)))]


def _of_films(key: Any) -> bool:
    return str(key).partition(".")[0] in FILM


def field_of(key: str) -> str:
    """The field that holds ``key``: without its last parts, until there is one; empty if there is none."""
    while key and key not in fields() and key not in ("name", "model"):
        key = re.sub(r"(\.[^.\[]+|\[[^\]]*\]|^[^.\[]+)$", "", key)
    return key


def problems(error: ConfigError) -> list[dict[str, str]]:
    """The mistakes as the page shows them, beside their fields."""
    return [{"key": field_of(p.key), "text": _beside(p), "full": str(p)} for p in error.problems]


def _beside(problem: Problem) -> str:
    """The message beside its field; the part of the field that it is about is named."""
    field = field_of(problem.key)
    inner = problem.key.removeprefix(field).lstrip(".")
    return str(Problem(inner if field else problem.key, problem.message, problem.hint))


def _empty(value: Any) -> bool:
    return value is None or value in ("", []) or (isinstance(value, str) and not value.strip())


def _put(out: Settings, sweeps: list[Any], about: FormField, value: Any) -> None:
    found = _values(about, value)
    if isinstance(found, _Several) and len(found.values) > 1:
        sweeps.append({about.key: found.range or found.values})
        out.swept.append(about.key)
        return
    *sections, name = about.key.split(".")
    target = out.data
    for section in sections:
        target = target.setdefault(section, {})
    target[name] = found.values[0] if isinstance(found, _Several) else found


def read(about: FormField, value: Any) -> Any:
    """The one value of a field that ``value``, which may be a typed text, means. Raises ValueError."""
    found = _values(about, value)
    if isinstance(found, _Several) and len(found.values) > 1:
        raise ValueError("only one value is possible here")
    return found.values[0] if isinstance(found, _Several) else found


@dataclass(frozen=True, slots=True)
class _Several:
    """Values of a sweep, or the range that gives them."""

    values: list[Any]
    range: str = ""


def _values(about: FormField, value: Any) -> Any:
    """The value of a field, or several of them. Raises ValueError."""
    if about.type in _LISTS:
        return _LISTS[about.type](value)
    if about.type in ("text", "long_text"):
        return _Several(value) if isinstance(value, list) and about.sweep else value
    if about.type == "schedule":
        return _yaml(value) if isinstance(value, str) and value.lstrip()[:1] in ("[", "{") else _scalar(value)
    if about.type == "json":
        return _structure(about, value)
    if isinstance(value, list):
        return _Several([_scalar(v) for v in value])
    if isinstance(value, str) and about.sweep:
        parts = _parts(value)
        if len(parts) == 1 and is_range(parts[0]):
            return _Several([None, None], parts[0])
        return _Several([_scalar(p) for p in parts])
    return _scalar(value)


def _structure(about: FormField, value: Any) -> Any:
    """A value that is written as YAML; a pair of numbers also without its brackets."""
    if not isinstance(value, str):
        return value
    pair = isinstance(about.default, list) and re.fullmatch(r"[-+0-9.eE\s]+,[-+0-9.eE\s]+", value)
    return _yaml(f"[{value}]" if pair else value)


def _yaml(text: str) -> Any:
    try:
        return load(text)
    except ValueError as e:
        raise ValueError(f"cannot be read: {e}") from None


def _scalar(value: Any) -> Any:
    """A number, true, false or null from its text; any other text as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else float(text)
    return _WORDS.get(text, text)


def _parts(text: str) -> list[str]:
    return [p.strip() for p in re.split(r"[,;\n]", text) if p.strip()]


def _prompts(value: Any) -> list[Any]:
    entries = value if isinstance(value, list) else [value]
    return [e for e in entries if not _blank(e)]


def _blank(entry: Any) -> bool:
    text = entry.get("text", entry.get("file")) if isinstance(entry, dict) else entry
    return isinstance(text, str) and not text.strip()


def _texts(value: Any) -> list[Any]:
    return _parts(value) if isinstance(value, str) else value if isinstance(value, list) else [value]


def _seeds(value: Any) -> Any:
    found = [_scalar(v) for v in _texts(value)]
    return found[0] if len(found) == 1 else found


_LISTS = {"prompts": _prompts, "canvas": _texts, "seeds": _seeds, "list": _texts}


def _first_text(data: dict[str, Any]) -> str:
    return next(_words(data.get("prompts", [])), "untitled")


def _words(prompts: list[Any]) -> Iterator[str]:
    for entry in prompts:
        found = entry if isinstance(entry, str) else entry.get("id") or entry.get("text") or entry.get("file")
        if isinstance(found, str):
            yield found
