"""Validates plain data as an Experiment, or reports every mistake at once in messages for users."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sdbatch.config import other_names
from sdbatch.config.experiment import GROUPS, Experiment
from sdbatch.config.film_length import known_later
from sdbatch.config.model_fields import field_of, nearest_bound, owner_of, range_of
from sdbatch.config.prompts import Prompt
from sdbatch.errors import ConfigError, Problem, closest, nearest, shown
from sdbatch.motion.fields import not_a_list
from sdbatch.motion.keys import CURVES, TRACKS
from sdbatch.spec.ranges import is_range, slug

M = TypeVar("M", bound=BaseModel)
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}
SWEPT_SECTIONS = ("negative", "sampling", "init", "mask", "motion", "encoding", "hires", "upscale")
GROUP_SECTIONS = ("model", "runtime")  # sections that are also groups of conf/
MAIN_KEYS: dict[str, tuple[str, type | tuple[type, ...]]] = {  # of sections: what one value can only mean
    "init": ("image", str),
    "output": ("folder", str),
    "mask": ("image", str),
    "hires": ("scale", (int, float)),
    "upscale": ("scale", (int, float)),
}
_READY = "for a map that another program made give its picture, with preprocess: none"
_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_PATTERNS = {  # by the last part of the key
    "name": ("not a name", "the name of a folder: a-z, 0-9, - and _, at most 64 characters"),
    "of": ("not the name of an experiment", "the name of its folder, without the folders above it"),
    "digest": ("not a digest of a plan", "task=plan plan.format=json shows it"),
    "id": ("not an id", "letters, digits, . - and _, at most 64 characters"),
    "revision": ("not a commit", "40 hex digits; branches can change"),
    "repo": ("not a repository", "write owner/name"),
    "host": ("not an address", "write 127.0.0.1, 0.0.0.0 or a name"),
    "hosts": ("not a name of a machine", "lower-case letters, digits, . and -"),
    "token": ("not a token", "4 to 128 letters, digits, - and _"),
    "date": ("not a day", "write 2026-11-28"),
    "licence": ("not an SPDX identifier", "write CC-BY-4.0, CC0-1.0, …"),
    "orcid": ("not an ORCID iD", "write 0000-0002-1825-0097"),
}
_SCHEDULE = re.compile(rf"motion\.({'|'.join((*CURVES, *TRACKS))})(\[0\])?")
_MAX_NUMBER = 2**64  # larger numbers are mistakes, and not all code can process them


def validate(data: Mapping[str, Any]) -> Experiment:
    """The experiment in ``data``. Raises ConfigError with one Problem per mistake, in the order of the keys."""
    if isinstance(motion := data.get("motion"), dict) and motion.get("fps", 0) is None:
        data = {**data, "motion": {k: v for k, v in motion.items() if k != "fps"}}  # not set: a video may say it
    try:
        return check(Experiment, data)
    except ConfigError:
        if not (found := known_later(data)):
            raise
        return check(Experiment, {**data, "motion": {**(data.get("motion") or {}), **found}})


def check(model: type[M], data: Mapping[str, Any], prefix: str = "") -> M:
    """``data`` validated as ``model``. Raises ConfigError; its keys start with ``prefix``."""
    problems = _not_json(data, prefix)
    if not problems:
        try:
            # From JSON, strict models accept lists for tuples (as pydantic documents).
            return model.model_validate_json(json.dumps(data))
        except ValidationError as e:
            problems = _problems(e, model, prefix)
    raise ConfigError(problems)


def _not_json(data: Any, key: str) -> list[Problem]:
    """Values that are valid in YAML but not in JSON: infinity, dates, lone surrogates, keys that are not text."""
    if isinstance(data, Mapping):
        if _SCHEDULE.fullmatch(key) and any(isinstance(k, int | float) for k in data):
            return [Problem(key.removesuffix("[0]"), not_a_list(dict(data)))]
        bad = [
            Problem(_join(key, k), f"the key {shown(k)} is not text", "quote it")
            for k in data
            if not isinstance(k, str)
        ]
        bad += [p for k in data if isinstance(k, str) for p in _not_json(k, _join(key, k))]
        return bad + [p for k, v in data.items() for p in _not_json(v, _join(key, k))]
    if isinstance(data, list | tuple):
        doubtful = ((i, v) for i, v in enumerate(data) if not (isinstance(v, str) and v.isascii()))
        return [p for i, v in doubtful for p in _not_json(v, f"{key}[{i}]")]
    if isinstance(data, float) and not math.isfinite(data):
        return [Problem(key, f"{data} is not a finite number")]
    if isinstance(data, str):
        broken = not data.isascii() and any("\ud800" <= c <= "\udfff" for c in data)
        return [Problem(key, f"{shown(data)} contains bytes that are not UTF-8 text")] if broken else []
    if isinstance(data, int) and abs(data) >= _MAX_NUMBER:
        return [Problem(key, f"a number of {data.bit_length()} bits is too large")]
    if isinstance(data, int | float | None):
        return []
    return [Problem(key, f"{shown(data)} is a {type(data).__name__}", "quote it")]


def _problems(error: ValidationError, model: type[BaseModel], prefix: str) -> list[Problem]:
    found: dict[str, Problem] = {}
    too_short: set[str] = set()
    for detail in error.errors(include_url=False):
        for problem in (_problem(detail, model, prefix), *_combined(detail, prefix)):
            found.setdefault(problem.key, problem)  # pydantic reports each member of a union
        if detail["type"] == "too_short":
            too_short.add(_dotted(_named(detail["loc"]), prefix))
    # pydantic also reports a list as too short if all its elements are invalid
    return [p for key, p in found.items() if not (key in too_short and any(k.startswith(f"{key}[") for k in found))]


def _combined(detail: ErrorDetails, prefix: str) -> list[Problem]:
    """The other errors of a combined one (see ``motion.key_errors.combined_error``)."""
    key = _dotted(_named(detail["loc"]), prefix)
    return [Problem(_join(key, at["key"]), at["message"]) for at in detail.get("ctx", {}).get("more", ())]


def _problem(detail: ErrorDetails, model: type[BaseModel], prefix: str) -> Problem:
    kind, value, ctx = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _extra([*_named(detail["loc"][:-1]), detail["loc"][-1]], value, model, prefix)
    loc = _named(detail["loc"])
    key = _dotted(loc, prefix)
    if kind == "at_key":
        return Problem(_join(key, ctx["key"]), ctx["message"])
    if kind.startswith(_BOUNDS) and field_of(model, loc) is None:
        return Problem(key, f"{shown(value)} is out of range", detail["msg"].removeprefix("Input should be "))
    if kind.startswith(_BOUNDS):
        return Problem(key, f"{shown(value)} is out of range {range_of(model, loc)}", nearest_bound(model, loc, value))
    if kind in ("literal_error", "bool_type") and (
        allowed := _allowed(getattr(field_of(model, loc), "annotation", None))
    ):
        text = f"{shown(value)} is not allowed; allowed: {', '.join(allowed)}"
        likeness = 0.75 if loc[-1] == "preprocess" else 0.5
        meant = nearest(str(value), allowed, likeness)
        return Problem(key, text, meant or (_READY if loc[-1] == "preprocess" else ""))
    if kind == "string_pattern_mismatch":
        name = next(str(part) for part in reversed(loc) if isinstance(part, str))  # of a list: its key
        what, how = _PATTERNS.get(name, ("not allowed here", f"the pattern is {ctx['pattern']}"))
        meant = f"{how}; for example {slug(value, 64)}" if key == "name" and re.search(r"\w", value) else how
        meant = f"write {value.rstrip('/').rpartition('/')[2]}" if name == "of" and "/" in value else meant
        return Problem(key, f"{shown(value)} is {what}", meant)
    if kind == "too_short":
        return Problem(key, "is empty")
    if kind == "missing":  # an element of a list of fixed length, or a key of file metadata
        too_short = isinstance(detail["loc"][-1], int)
        return (
            Problem(key.rpartition("[")[0], f"{shown(value)} is too short") if too_short else Problem(key, "is missing")
        )
    if kind in _KINDS:
        return Problem(key, f"{shown(value)} is not {_KINDS[kind]}", _type_hint(kind, key, value, model))
    return Problem(key, _message(detail, ctx))


def _extra(loc: list[int | str], value: Any, model: type[BaseModel], prefix: str) -> Problem:
    if loc[0] in GROUPS and isinstance(value, dict):
        return Problem(str(loc[0]), "its keys must be at the top level", "begin the file with # @package _global_")
    owner, name = owner_of(model, loc[:-1]), str(loc[-1])
    if owner is Prompt and not closest(name, Prompt.model_fields):
        hint = f"known: {', '.join(Prompt.model_fields)}; quote a text that contains a colon"
        return Problem(_dotted(loc, prefix), "unknown key", hint)
    return Problem(
        _dotted(loc, prefix), "unknown key", other_names.hint(_dotted(loc, "")) or _key_hint(name, model, owner)
    )


def _type_hint(kind: str, key: str, value: Any, model: type[BaseModel]) -> str:
    if kind.startswith("model_") and (meant := shape_hint(key, value, model)):
        return meant
    several = is_range(value) or (isinstance(value, list) and value and not kind.startswith(("tuple", "list")))
    if several and key.partition(".")[0] in SWEPT_SECTIONS:
        return f"for several values write sweep: [{{{key}: {value if isinstance(value, str) else '[…]'}}}]"
    if kind == "string_type" and isinstance(value, int | float):
        return f"write {value}G, or another unit: K, M, T" if key == "submit.memory" else "quote it"
    if kind == "float_parsing" and (share := re.fullmatch(r"\s*(\d{1,6}(\.\d{1,6})?)\s*%\s*", value)):
        return f"write {float(share[1]) / 100:g}"
    if kind == "tuple_type" and isinstance(value, int | float | str):
        return "put it in [ ]"
    if key == "model" and isinstance(value, str) and ("/" in value or value.endswith(".safetensors")):
        return f"write model=local model.path={value[:40]}"
    if kind.startswith("model_") and isinstance(value, str) and key in GROUP_SECTIONS:
        return f"write {key}={value[:40]}, or in a file defaults: [override /{key}: {value[:40]}]"
    return ""


def shape_hint(key: str, value: Any, model: type[BaseModel]) -> str:
    """What to write for a ``value`` in the place of a section: its only possible key, or its keys for a list."""
    name, kind = MAIN_KEYS.get(key, ("", ()))
    if isinstance(value, kind) and not isinstance(value, bool):
        return f"write {key}.{name}={str(value)[:40]}"
    if not isinstance(value, list) or not value or isinstance(value[0], dict):
        return ""
    if kind is str:
        return f"write {key}.{name}=…"
    return f"write {key}={{{', '.join(f'{k}: …' for k in owner_of(model, [*key.split('.')]).model_fields)}}}"


def _message(detail: ErrorDetails, ctx: Mapping[str, Any]) -> str:
    kind, value, text = detail["type"], shown(detail["input"]), detail["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return text
    if kind in ("string_too_long", "too_long"):
        what = "characters" if kind == "string_too_long" else "values"
        return f"{value} is longer than {ctx['max_length']:,} {what}"
    return "is empty" if kind == "string_too_short" else f"{value}: {text[:1].lower()}{text[1:]}"


def _named(loc: tuple[int | str, ...]) -> list[int | str]:
    """``loc`` without pydantic's names of union members."""
    return [p for p in loc if isinstance(p, int) or not (p in ("int", "str", "float", "bool") or "[" in p)]


def _allowed(annotation: Any) -> list[str]:
    """The values of a Literal field (and true, false if it accepts them too); empty for other fields."""
    if get_origin(annotation) is Literal:
        return [str(a) for a in get_args(annotation)]
    values = [v for a in get_args(annotation) for v in _allowed(a)]
    return ["true", "false", *values] if values and bool in get_args(annotation) else values


def _dotted(loc: list[int | str], prefix: str) -> str:
    key = prefix
    for part in loc:
        key = f"{key}[{part}]" if isinstance(part, int) else _join(key, part)
    return key


def _join(key: str, part: object) -> str:
    return f"{key}.{part}" if key else str(part)


def _key_hint(name: str, model: type[BaseModel], owner: type[BaseModel]) -> str:
    """The nearest key: in the same section, or the same name in another one (``sampling.steps`` for ``steps``)."""
    names = list(owner.model_fields)
    if owner is not model and name in model.model_fields:
        return f"known: {', '.join(names)}; {name} is a key of the top level"
    elsewhere = [key for key in dotted_keys(model) if key.split(".")[-1] == name]
    if meant := closest(name, names, 0.85) or next(iter(elsewhere), ""):
        return f"did you mean {meant!r}?"
    if model is owner is Experiment and (group := closest(name, GROUPS)):
        return f"did you mean +{group}=NAME?"
    return nearest(name, names) or f"known: {', '.join(names)}"


def dotted_keys(model: type[BaseModel]) -> list[str]:
    """Every key of ``model``: its own keys, then those of its sections as ``section.key``."""
    inner = {name: m for name, f in model.model_fields.items() if (m := _section(f.annotation))}
    return [*model.model_fields, *(f"{name}.{key}" for name, m in inner.items() for key in dotted_keys(m))]


def _section(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
