"""The axes of a plan: prompts, canvas and seeds, and one axis for every entry of ``sweep``. Pure.

Keys inside one entry go together (zip); entries multiply (product). Every mistake is found here, before a plan is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from sdbatch.config.experiment import Experiment
from sdbatch.config.keys import FIXED, LISTS, SECTIONS, SWEEPABLE
from sdbatch.config.validation import ELSEWHERE, check
from sdbatch.errors import ConfigError, Problem, nearest, shown
from sdbatch.motion import MODES
from sdbatch.plan.resolve import Resolved, canvas, read_prompts
from sdbatch.spec.ranges import is_range, parse_range, parse_seeds

LONGEST = 100_000  # values of a swept range (seeds may be more)


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
    values = tuple(columns.values())
    return Axis(tuple(columns), _Singles(values[0]) if len(values) == 1 else tuple(zip(*values, strict=True)))


def _refused(key: str, at: str) -> Problem | None:
    if key in SWEEPABLE:
        return None
    section = key.split(".", maxsplit=1)[0]
    if section == "model":
        return Problem(f"{at}.{key}", "cannot be swept: it decides the weights", "use -m model=a,b")
    if section in FIXED:
        return Problem(f"{at}.{key}", f"cannot be swept: {section} does not change what a picture shows")
    if (name := key.rpartition(".")[2]) in ELSEWHERE:
        return Problem(f"{at}.{key}", "unknown key", f"here it is {ELSEWHERE[name]}")
    meant = [k for k in SWEEPABLE if k.endswith(f".{key}") or k.startswith(f"{key}.")]
    hint = f"did you mean {meant[0]!r}?" if meant else nearest(key, SWEEPABLE) or f"known: {', '.join(SWEEPABLE)}"
    return Problem(f"{at}.{key}", "unknown key", hint)


def _column(key: str, values: Any, at: str, resolved: Resolved) -> Sequence[Any]:
    """The checked values of one swept key."""
    if is_range(values):
        values = [values] if key == "seeds" else _range(values, at)
    if not isinstance(values, list) or not values:
        raise ConfigError.one(at, f"{shown(values)} is not a list of values", "write for example [12, 24] or 12..24")
    if key in LISTS:  # as the experiment's own key of that name
        own = check(Experiment, {key: values}, at.removesuffix(f".{key}"))
        if key == "prompts":
            return read_prompts(own.prompts, at)
        return parse_seeds(own.seeds) if key == "seeds" else canvas(own, resolved.source)
    if key == "negative":
        return [check(Experiment, {key: v}, at.removesuffix(f".{key}")).negative for v in values]
    return _section_values(key, values, at, resolved)


def _range(text: str, at: str) -> list[float]:
    try:
        return list(parse_range(text, LONGEST))
    except ValueError as e:
        raise ConfigError.one(at, str(e)) from e


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
            known = name == "mode" and isinstance(value, str) and value in MODES
            out.append(value if known else getattr(check(SECTIONS[section], data), name))
        except ConfigError as e:
            problems += [Problem(at, p.message, p.hint) for p in e.problems]
    if problems:
        raise ConfigError(problems)
    return out


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
    return " ".join(f"{k.time}:{_plain(k.value)}" if hasattr(k, "time") else _plain(k) for k in value)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
