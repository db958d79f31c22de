"""The axes of a plan: prompts, canvas and seeds, and one axis for every entry of ``sweep``. Pure.

The keys of one entry vary together (zip); entries multiply (product). Every mistake is reported here, before a plan is
made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, overload

from sdbatch.config import other_names
from sdbatch.config.experiment import Experiment
from sdbatch.config.keys import FIXED, LISTS, OF_MODEL, STYLES, SWEEPABLE
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problem, Problems, nearest, shown
from sdbatch.motion import MODES
from sdbatch.plan import control_axis, inits, sounds
from sdbatch.plan.lora_axis import swept as swept_loras
from sdbatch.plan.model_axis import choices, vae_label
from sdbatch.plan.picture_titles import told_apart
from sdbatch.plan.prompt_files import Reader, read_prompts
from sdbatch.plan.resolve import Resolved, canvas
from sdbatch.plan.styles import swept as swept_styles
from sdbatch.spec.ranges import is_range, parse_range, parse_seeds, random_seeds
from sdbatch.spec.sound import Sound

TITLES = {"prompts": "prompt", "models": "model", "seeds": "seed", STYLES: "style"}
MAX_VALUES = 100_000  # of a swept range (seeds can have more)


@dataclass(frozen=True, slots=True)
class Axis:
    """Keys that vary together, and their values: ``values[i][k]`` is the value of ``keys[k]`` at position i."""

    keys: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]


class _SingleValues(Sequence[tuple[Any, ...]]):
    """The values of an axis with one key, as a view: a range of a million seeds stays a range."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, i: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[tuple[Any, ...]]: ...
    def __getitem__(self, i: int | slice) -> Any:
        return _SingleValues(self._values[i]) if isinstance(i, slice) else (self._values[i],)


def axes(resolved: Resolved) -> tuple[Axis, ...]:
    """The axes, outermost first: prompts, canvas, models, the sweep's entries in order, seeds.

    Raises ConfigError with all mistakes in ``sweep``.
    """
    experiment = resolved.experiment
    problems = Problems()
    swept: list[Axis] = []
    for i, entry in enumerate(experiment.sweep):
        with problems:
            swept.append(_entry(entry, f"sweep[{i}]", resolved))
    problems += _duplicate_axes(swept, resolved)
    problems.report()
    taken = {key for axis in swept for key in axis.keys}
    seeds = parse_seeds(experiment.seeds)
    base = [("prompts", resolved.prompts), ("canvas", resolved.canvas), ("seeds", seeds)]
    base += [("models", resolved.models)] if resolved.models else []
    base += [("loras", resolved.loras)] if len(resolved.loras) > 1 else []
    base += [(inits.KEY, resolved.inits)] if len(resolved.inits) > 1 else []
    base += [(control_axis.KEY, resolved.controls)] if len(resolved.controls) > 1 else []
    fixed = {key: Axis((key,), _SingleValues(values)) for key, values in base if key not in taken}
    ends = (("prompts", "canvas", "models", inits.KEY, control_axis.KEY), ("loras", "seeds"))
    outer, inner = ((fixed.get(key) for key in keys) for keys in ends)
    return tuple(_told_apart(a) for a in (*outer, *swept, *inner) if a)


def _told_apart(axis: Axis) -> Axis:
    """``axis`` with titles for its pictures."""
    if not (keys := [key for key in axis.keys if key in (*inits.FILES, control_axis.KEY)]):
        return axis
    columns = dict(zip(axis.keys, map(list, zip(*axis.values, strict=True)), strict=True))
    columns |= {key: told_apart(columns[key]) for key in keys}
    return Axis(axis.keys, tuple(zip(*columns.values(), strict=True)))


def _duplicate_axes(swept: list[Axis], resolved: Resolved) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    lengths = {"prompts": len(resolved.prompts), "canvas": len(resolved.canvas)}
    lengths |= {"models": len(resolved.models), "loras": len(resolved.loras)}
    lengths |= {inits.KEY: len(resolved.inits), control_axis.KEY: len(resolved.controls)}
    lengths["seeds"] = len(parse_seeds(resolved.experiment.seeds))
    for i, axis in enumerate(swept):
        for key in axis.keys:
            if key in seen:
                problems.append(Problem(f"sweep[{i}].{key}", "is swept twice", "use each key in one entry only"))
            elif key == STYLES and resolved.experiment.styles.use:
                problems.append(Problem(f"sweep[{i}].{key}", "is set as well", "remove one of them"))
            elif lengths.get(key, 1) > 1:
                problems.append(Problem(f"sweep[{i}].{key}", f"is already an axis: {key} has {lengths[key]} values"))
            seen.add(key)
    return problems


def _entry(entry: dict[str, Any], at: str, resolved: Resolved) -> Axis:
    if not entry:
        raise ConfigError.one(at, "is empty", "for example write {sampling.steps: [12, 24]}")
    if rejected := [p for key, values in entry.items() if (p := _key_problem(key, values, at))]:
        raise ConfigError(rejected)
    columns: dict[str, Sequence[Any]] = {}
    problems = Problems()
    for key, values in entry.items():
        with problems:
            columns[key] = _column(key, values, f"{at}.{key}", resolved)
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{key} has {n}" for key, n in lengths.items())
        problems.append(Problem(at, f"lists in one entry differ in length: {text}", "separate entries multiply"))
    problems.report()
    values = tuple(columns.values())
    return Axis(tuple(columns), _SingleValues(values[0]) if len(values) == 1 else tuple(zip(*values, strict=True)))


def _key_problem(key: str, values: Any, at: str) -> Problem | None:
    if key in SWEEPABLE:
        return None
    section = key.split(".", maxsplit=1)[0]
    if section == "model":
        hint = f"write sweep: [{{models: […]}}]; {' and '.join(OF_MODEL)} can be swept"
        return Problem(f"{at}.{key}", "cannot be swept because it selects the weights", hint)
    if section in ("lora_folders", "embedding_folders", "control_folders", "input_folders", "upscaler_folders"):
        return Problem(f"{at}.{key}", "cannot be swept: it says where files are", "sweep what is in them")
    if section in ("wildcards", "styles"):
        return Problem(f"{at}.{key}", "cannot be swept because it changes the prompts", f"use -m {key}=a,b")
    if section in FIXED:
        return Problem(f"{at}.{key}", f"cannot be swept: {section} does not change pictures")
    if hint := control_axis.key_hint(key, values) or other_names.hint(key):
        return Problem(f"{at}.{key}", "unknown key", hint)
    meant = [k for k in SWEEPABLE if k.endswith(f".{key}") or k.startswith(f"{key}.")]
    hint = f"did you mean {meant[0]!r}?" if meant else nearest(key, SWEEPABLE) or f"known: {', '.join(SWEEPABLE)}"
    return Problem(f"{at}.{key}", "unknown key", hint)


def _column(key: str, values: Any, at: str, resolved: Resolved) -> Sequence[Any]:
    """The validated values of one swept key."""
    if key in _NAMED:
        return _NAMED[key](values, at, resolved)
    if is_range(values):
        values = [values] if key == "seeds" else _range(values, at)
    values = _list(values, at)
    if key in LISTS:  # validated like the experiment's own key
        own = check(Experiment, {key: values}, at.removesuffix(f".{key}"))
        if key == "prompts":
            return read_prompts(
                own.prompts, at, Reader(resolved.experiment.wildcards, resolved.styles, resolved.adapters)
            )
        if key == "models":
            return choices(own.models, resolved.experiment.model, at, resolved.locate)
        if random_seeds(own.seeds) is not None:
            raise ConfigError.one(at, "random seeds cannot be swept", "write seeds: random*4 beside the sweep")
        return parse_seeds(own.seeds) if key == "seeds" else canvas(own, resolved.source)
    if key == STYLES:
        own_styles = resolved.experiment.styles
        return [swept_styles(v, own_styles, resolved.experiment.wildcards, at) for v in values]
    if key in ("negative", "lora_weight"):
        checked = [getattr(check(Experiment, {key: v}, at.removesuffix(f".{key}")), key) for v in values]
        return [resolved.styles.negative(text) for text in checked] if key == "negative" else checked
    return _section_values(key, values, at, resolved)


_NAMED: dict[str, Callable[[Any, str, Resolved], Sequence[Any]]] = {  # keys whose values name files
    "loras": lambda values, at, resolved: swept_loras(_list(values, at), at, resolved.adapters),
    control_axis.KEY: lambda values, at, resolved: control_axis.swept(
        _list(values, at), at, resolved.adapters, resolved.pictures
    ),
    inits.KEY: lambda values, at, resolved: inits.swept(values, at, resolved.pictures),
    inits.VIDEO: lambda values, at, resolved: inits.swept_videos(values, at, resolved.pictures),
    inits.MASK: lambda values, at, resolved: inits.swept_masks(values, at, resolved.pictures),
}


def _list(values: Any, at: str) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise ConfigError.one(at, f"{shown(values)} is not a list of values", "for example write [12, 24] or 12..24")
    return values


def _range(text: str, at: str) -> list[float]:
    try:
        return list(parse_range(text, MAX_VALUES))
    except ValueError as e:
        raise ConfigError.one(at, str(e)) from e


def _section_values(key: str, values: list[Any], at: str, resolved: Resolved) -> list[Any]:
    """The values as validated and normalised in their section (an int guidance becomes a float)."""
    section, name = key.split(".")
    base = getattr(resolved.experiment, section).model_dump(mode="json")
    kind = type(getattr(resolved.experiment, section))
    out: list[Any] = []
    problems = Problems()
    for value in values:
        try:
            # ``combination.problems`` checks modes and lengths, which depend on other axes
            data = {name: value} if section == "motion" else {**base, name: value}
            known = name == "mode" and isinstance(value, str) and value in MODES
            found = value if known else getattr(check(kind, data), name)
            out.append(sounds.read(found, at) if key == sounds.KEY else found)
        except ConfigError as e:
            problems += [Problem(at, p.message, p.hint) for p in e.problems]
    problems.report()
    return out


def titles(keys: Iterable[str]) -> dict[str, str]:
    """The names of axes for users by key: ``guidance`` of ``sampling.guidance``, unless another one ends alike."""
    short = {key: TITLES.get(key, key.rpartition(".")[2]) for key in keys}
    several = Counter(short.values())
    return {key: name if several[name] == 1 else key for key, name in short.items()}


def label(key: str, value: Any) -> str:
    """The value of an axis as displayed text."""
    if isinstance(value, str) and key != "model.vae":
        return value
    if key in _LABELS:
        return _LABELS[key](value)
    if isinstance(value, Sound):
        return PurePath(value.path).stem
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if not isinstance(value, Iterable) else _schedule_label(value)


_LABELS: dict[str, Callable[[Any], str]] = {
    "model.vae": vae_label,
    "prompts": lambda prompt: str(prompt.id),
    "canvas": lambda canvas: str(canvas[0]),
    "models": lambda model: str(model.name),
    "loras": lambda loras: " + ".join(map(str, loras)) or "none",
    control_axis.KEY: control_axis.label,
    "mask.outpaint": str,
}


def _schedule_label(value: Iterable[Any]) -> str:
    return " ".join(f"{k.time}:{_text(k.value)}" if hasattr(k, "time") else _text(k) for k in value)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
