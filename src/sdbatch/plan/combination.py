"""What the sweep's axes decide besides prompt, canvas and seed: negative, sampling, motion, encoding. Pure.

Every combination of keys that depend on each other is checked here, before any job is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdbatch import motion
from sdbatch.config.experiment import Experiment
from sdbatch.config.keys import SECTIONS
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problem
from sdbatch.motion.schedule import Key
from sdbatch.motion.settings import Motion
from sdbatch.plan.axes import Axis
from sdbatch.plan.resolve import Resolved
from sdbatch.samplers import SAMPLERS, table
from sdbatch.spec.jobs import Encoding


@dataclass(frozen=True, slots=True)
class Setting:
    """What one position on the sweep's axes decides."""

    negative: str
    sampling: dict[str, Any]
    motion: Motion
    encoding: Encoding


def decides(axis: Axis) -> bool:
    """Whether a setting depends on ``axis``."""
    return any("." in key or key == "negative" for key in axis.keys)


def make(experiment: Experiment, axes: Sequence[Axis], digits: Sequence[int]) -> Setting:
    """The setting at ``digits`` of ``axes``. Raises ConfigError where swept motion keys do not go together."""
    swept = {k: v for a, d in zip(axes, digits, strict=True) for k, v in zip(a.keys, a.values[d], strict=True)}
    sections = {s: _section(getattr(experiment, s), s, swept) for s in SECTIONS}
    encoding = sections["encoding"].encoding()
    sampling = {k: getattr(sections["sampling"], k) for k in type(sections["sampling"]).model_fields}
    return Setting(swept.get("negative", experiment.negative), sampling, sections["motion"], encoding)


def problems(resolved: Resolved, axes: Sequence[Axis]) -> list[Problem]:
    """Combinations of motion keys, and of samplers and steps, that cannot be."""
    return _motions(resolved.experiment, axes) + _samplers(resolved, axes)


def _section(base: Any, section: str, swept: dict[str, Any]) -> Any:
    """The section with swept values in it; values are checked already, so the copy needs no second check …"""
    update = {k.split(".")[1]: v for k, v in swept.items() if k.startswith(section + ".")}
    if not update:
        return base
    if section == "motion":  # … but modes and lengths depend on each other
        dump = base.model_dump(mode="json") | {k: v for k, v in update.items()}
        return check(Motion, {k: _plain(v) for k, v in dump.items()}, "motion")
    return base.model_copy(update=update)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [[k.time, k.value, k.ease] if isinstance(k, Key) else k for k in value]
    return value if value is None or isinstance(value, int | float | str | list | bool) else str(value)


def _combinations(axes: Sequence[Axis], *keys: str) -> Iterator[list[int]]:
    """Digits for every combination of the axes that hold a key beginning with one of ``keys`` (0 elsewhere)."""
    places = [i for i, a in enumerate(axes) if any(k.startswith(keys) for k in a.keys)]
    for combination in np.ndindex(*(len(axes[i].values) for i in places)):
        digits = [0] * len(axes)
        for i, d in zip(places, combination, strict=True):
            digits[i] = d
        yield digits


def _motions(experiment: Experiment, axes: Sequence[Axis]) -> list[Problem]:
    wrong: dict[str, Problem] = {}
    found: list[Motion] = []
    for digits in _combinations(axes, "motion."):
        try:
            found.append(make(experiment, axes, digits).motion)
        except ConfigError as e:
            wrong |= {str(p): p for p in e.problems}
    return list(wrong.values()) or _unused(found)


def _unused(found: list[Motion]) -> list[Problem]:
    """A schedule on something that cannot move in any of the video modes used is a mistake, not a wish to ignore."""
    videos = [m for m in found if m.mode != "still"]
    if not videos:
        return []
    always = {"mode", "seconds", "frames", "fps"}
    used = always.union(*(motion.MODES[m.mode].uses for m in videos))
    modes = ", ".join(sorted({m.mode for m in videos}))
    extra = sorted({k for m in videos for k in m.model_dump(exclude_defaults=True)} - used)
    return [Problem(f"motion.{k}", f"is not used by mode {modes}", f"takes {', '.join(sorted(used))}") for k in extra]


def _samplers(resolved: Resolved, axes: Sequence[Axis]) -> list[Problem]:
    """Samplers have step limits of their own (lcm: 50), so the fewest and the most steps of each tell."""
    steps: dict[str, set[int]] = {}
    for digits in _combinations(axes, "sampling.sampler", "sampling.steps"):
        sampling = make(resolved.experiment, axes, digits).sampling
        steps.setdefault(sampling["sampler"], set()).add(sampling["steps"])
    wrong = []
    for name, counts in steps.items():
        for count in sorted({min(counts), max(counts)}):
            try:
                table(SAMPLERS[name], resolved.source.model.schedule, count)
            except ValueError as e:
                wrong.append(Problem("sampling.steps", f"{str(e).removeprefix('steps: ')} for sampler {name}"))
    return wrong
