"""From plain data to an Experiment, or to every mistake at once in words for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sdbatch.errors import ConfigError, Problem, nearest
from sdbatch.experiment import Experiment

M = TypeVar("M", bound=BaseModel)
_ECHO = "is empty"  # of a list: said by pydantic also when every element of it was wrong
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}
_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def validate(data: Mapping[str, Any]) -> Experiment:
    """Check ``data`` whole. Raises ConfigError with one Problem a mistake, in the order of the keys."""
    return check(Experiment, data)


def check(model: type[M], data: Mapping[str, Any], prefix: str = "") -> M:
    """``model`` made of ``data``, or a ConfigError whose keys start with ``prefix``."""
    problems = _not_json(data, prefix)
    if not problems:
        try:
            # JSON lets strict models take lists for tuples (pydantic's documented way).
            return model.model_validate_json(json.dumps(data))
        except ValidationError as e:
            problems = _problems(e, model, prefix)
    raise ConfigError(problems)


def _not_json(data: Any, key: str) -> list[Problem]:
    """Values that YAML can hold and JSON cannot: infinity, dates, keys that are no text."""
    if isinstance(data, Mapping):
        bad = [Problem(_join(key, k), f"the key {k!r} is no text", "quote it") for k in data if not isinstance(k, str)]
        return bad + [p for k, v in data.items() for p in _not_json(v, _join(key, k))]
    if isinstance(data, list | tuple):
        return [p for i, v in enumerate(data) for p in _not_json(v, f"{key}[{i}]")]
    if isinstance(data, float) and not math.isfinite(data):
        return [Problem(key, f"{data} is not a finite number")]
    if isinstance(data, str | int | float | bool | None):
        return []
    return [Problem(key, f"{str(data)!r} is a {type(data).__name__}", "quote it")]


def _problems(error: ValidationError, model: type[BaseModel], prefix: str) -> list[Problem]:
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        problem = _problem(detail, model, prefix)
        found.setdefault(problem.key, problem)  # a union reports once per member
    return [p for key, p in found.items() if not (p.message == _ECHO and any(k.startswith(f"{key}[") for k in found))]


def _problem(detail: ErrorDetails, model: type[BaseModel], prefix: str) -> Problem:
    loc = [part for part in detail["loc"] if isinstance(part, int) or not _is_type_name(part)]
    key, kind, value = _dotted(loc, prefix), detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return Problem(key, "unknown key", _known(str(loc[-1]), _owner(model, loc[:-1])))
    if kind.startswith(_BOUNDS):
        return Problem(key, f"{value} is out of range {_range(model, loc)}", _bound(model, loc, value))
    if kind == "literal_error":
        allowed = [str(a) for a in get_args(_field(model, loc).annotation)]
        return Problem(key, f"{value!r} is not allowed; allowed are {', '.join(allowed)}", nearest(str(value), allowed))
    if kind == "string_pattern_mismatch":
        return Problem(key, f"{_short(value)} does not match {detail['ctx']['pattern']}", _pattern_hint(key))
    if kind == "too_short":
        return Problem(key, _ECHO)
    if kind in _KINDS:
        return Problem(key, f"{_short(value)} is not {_KINDS[kind]}")
    return Problem(key, _message(detail))


def _message(detail: ErrorDetails) -> str:
    text = detail["msg"].removeprefix("Value error, ")
    return text if detail["type"] == "value_error" else f"{_short(detail['input'])}: {text[:1].lower()}{text[1:]}"


def _is_type_name(part: str) -> bool:
    return part in ("int", "str", "float", "constrained-str") or "[" in part


def _dotted(loc: list[int | str], prefix: str) -> str:
    key = prefix
    for part in loc:
        key = f"{key}[{part}]" if isinstance(part, int) else _join(key, part)
    return key


def _join(key: str, part: object) -> str:
    return f"{key}.{part}" if key else str(part)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _owner(model: type[BaseModel], loc: list[int | str]) -> type[BaseModel]:
    """The model that holds the key at ``loc``."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)


def _field(model: type[BaseModel], loc: list[int | str]) -> Any:
    names = [p for p in loc if isinstance(p, str)]
    return _owner(model, list(names[:-1])).model_fields[names[-1]]


def _limits(model: type[BaseModel], loc: list[int | str]) -> tuple[Any, Any]:
    low = high = None
    for m in _field(model, loc).metadata:
        low = m.ge if isinstance(m, Ge) else m.gt if isinstance(m, Gt) else low
        high = m.le if isinstance(m, Le) else m.lt if isinstance(m, Lt) else high
    return low, high


def _range(model: type[BaseModel], loc: list[int | str]) -> str:
    low, high = _limits(model, loc)
    return f"{low}–{high}"


def _bound(model: type[BaseModel], loc: list[int | str], value: Any) -> str:
    low, high = _limits(model, loc)
    return f"nearest is {low if value < low else high}"


def _known(wrong: str, owner: type[BaseModel]) -> str:
    names = list(owner.model_fields)
    return nearest(wrong, names) or f"known are {', '.join(names)}"


def _pattern_hint(key: str) -> str:
    if key == "model.revision":
        return "the full commit, 40 hex digits"
    return "letters, digits, - and _; a name is a folder, not a path"
