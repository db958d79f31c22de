"""The axes of a plan: prompts, canvas and seeds, and one axis for every entry of ``sweep``. Pure.

Keys inside one entry go together (zip); entries multiply (product). Every mistake is found here, before a plan is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from pydantic import BaseModel

from sdbatch.canvas import parse as parse_canvas
from sdbatch.errors import ConfigError, Problem, nearest
from sdbatch.experiment import EncodingSettings, Prompt, Sampling
from sdbatch.motion import MODES
from sdbatch.motion.settings import Motion
from sdbatch.resolve import Resolved, read_prompts
from sdbatch.text import is_range, parse_range, parse_seeds
from sdbatch.validation import check

SECTIONS: dict[str, type[BaseModel]] = {"sampling": Sampling, "motion": Motion, "encoding": EncodingSettings}
LISTS = ("prompts", "canvas", "seeds")
FIXED = ("runtime", "output", "model", "shard", "plan", "sheet")
SWEEPABLE = (*LISTS, "negative", *(f"{s}.{k}" for s, m in SECTIONS.items() for k in m.model_fields))


@dataclass(frozen=True, slots=True)
class Axis:
    """Keys that change together, and their values: ``values[i][k]`` is the value of ``keys[k]`` at position i."""

    keys: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]


class _Singles(Sequence[tuple[Any, ...]]):
    """Values of a one-key axis; a range of a million seeds stays a range."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, i: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[tuple[Any, ...]]: ...
    def __getitem__(self, i: int | slice) -> Any:
        return _Singles(self._values[i]) if isinstance(i, slice) else (self._values[i],)


def axes(resolved: Resolved) -> tuple[Axis, ...]:
    """Outermost first: prompts, canvas, the sweep's entries in order, seeds. Raises ConfigError with all mistakes."""
    experiment = resolved.experiment
    problems: list[Problem] = []
    swept: list[Axis] = []
    for i, entry in enumerate(experiment.sweep):
        try:
            swept.append(_entry(entry, f"sweep[{i}]", resolved))
        except ConfigError as e:
            problems += e.problems
    problems += _twice(swept, resolved)
    if problems:
        raise ConfigError(problems)
    taken = {key for axis in swept for key in axis.keys}
    seeds = parse_seeds(experiment.seeds)
    base = (("prompts", resolved.prompts), ("canvas", resolved.canvas), ("seeds", seeds))
    fixed = {key: Axis((key,), _Singles(values)) for key, values in base if key not in taken}
    return tuple(a for a in (fixed.get("prompts"), fixed.get("canvas"), *swept, fixed.get("seeds")) if a)


def _twice(swept: list[Axis], resolved: Resolved) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    lengths = {"prompts": len(resolved.prompts), "canvas": len(resolved.canvas)}
    lengths["seeds"] = len(parse_seeds(resolved.experiment.seeds))
    for i, axis in enumerate(swept):
        for key in axis.keys:
            if key in seen:
                problems.append(Problem(f"sweep[{i}].{key}", "is swept twice", "a key may be in one entry only"))
            elif lengths.get(key, 1) > 1:
                problems.append(Problem(f"sweep[{i}].{key}", f"is an axis already: {key} has {lengths[key]} values"))
            seen.add(key)
    return problems


def _entry(entry: dict[str, Any], at: str, resolved: Resolved) -> Axis:
    if not entry:
        raise ConfigError.one(at, "is empty", "write for example {sampling.steps: [12, 24]}")
    if wrong := [p for key in entry if (p := _refused(key, at))]:
        raise ConfigError(wrong)
    columns: dict[str, Sequence[Any]] = {}
    problems: list[Problem] = []
    for key, values in entry.items():
        try:
            columns[key] = _column(key, values, f"{at}.{key}", resolved)
        except ConfigError as e:
            problems += e.problems
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{key} has {n}" for key, n in lengths.items())
        problems.append(Problem(at, f"lists of unequal length go together: {text}", "entries of their own multiply"))
    if problems:
        raise ConfigError(problems)
    return Axis(tuple(columns), tuple(zip(*columns.values(), strict=True)))


def _refused(key: str, at: str) -> Problem | None:
    if key in SWEEPABLE:
        return None
    section = key.split(".", maxsplit=1)[0]
    if section in FIXED:
        why = "decides the weights: use -m model=a,b" if section == "model" else "does not change what is rendered"
        return Problem(f"{at}.{key}", f"cannot be swept: {section} {why}")
    return Problem(f"{at}.{key}", "unknown key", nearest(key, SWEEPABLE) or f"known are {', '.join(SWEEPABLE)}")


def _column(key: str, values: Any, at: str, resolved: Resolved) -> Sequence[Any]:
    """The checked values of one swept key."""
    if is_range(values):
        values = _guard(at, lambda: list(parse_range(values)))
    if not isinstance(values, list) or not values:
        raise ConfigError.one(at, f"{values!r} is no list of values", "write [12, 24] or 12..24")
    if key == "prompts":
        return read_prompts(
            [check(Prompt, {"text": v} if isinstance(v, str) else _mapping(v, at), at) for v in values], at
        )
    if key == "seeds":
        return _guard(at, lambda: parse_seeds(values))
    if key == "canvas":
        source = resolved.source
        return _guard(at, lambda: [(str(v), parse_canvas(v, source.native, source.model.scale)) for v in values])
    if key == "negative":
        if wrong := [v for v in values if not isinstance(v, str)]:
            raise ConfigError.one(at, f"{wrong[0]!r} is not text", "quote it")
        return values
    return _section_values(key, values, at, resolved)


def _mapping(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError.one(at, f"{value!r} is no prompt", "write a text or {id, text, negative}")
    return value


def _section_values(key: str, values: list[Any], at: str, resolved: Resolved) -> list[Any]:
    """Each value checked inside its section, as the model normalises it (an int guidance becomes a float)."""
    section, name = key.split(".")
    base = getattr(resolved.experiment, section).model_dump(mode="json")
    out: list[Any] = []
    problems: list[Problem] = []
    for value in values:
        try:
            # modes and lengths are checked together with the other axes, when the plan is made
            data = {name: value} if section == "motion" else {**base, name: value}
            out.append(value if name == "mode" and value in MODES else getattr(check(SECTIONS[section], data), name))
        except ConfigError as e:
            problems += [Problem(at, p.message, p.hint) for p in e.problems]
    if problems:
        raise ConfigError(problems)
    return out


def _guard(at: str, parse: Callable[[], Sequence[Any]]) -> Sequence[Any]:
    try:
        return parse()
    except (ValueError, TypeError) as e:
        raise ConfigError.one(at, str(e)) from e


def label(key: str, value: Any) -> str:
    """The value of an axis as a person reads it."""
    if key == "prompts":
        return str(value.id)
    if key == "canvas":
        return str(value[0])
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if not isinstance(value, Iterable) or isinstance(value, str) else _schedule_label(value)


def _schedule_label(value: Iterable[Any]) -> str:
    return " ".join(f"{k.time}:{k.value:g}" if hasattr(k, "time") else f"{k:g}" for k in value)
