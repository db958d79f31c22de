"""The plan: every job of an experiment, in order. Pure, lazy, no torch.

``plan[i]`` is made from the digits of i over the axes (prompts outermost, seeds innermost), so a plan of 100,000
jobs holds ids and indices, not jobs. Jobs that a ``skip`` rule matches, and jobs that come out twice, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdbatch import motion
from sdbatch.axes import SECTIONS, Axis, axes, label
from sdbatch.errors import ConfigError, Problem, nearest
from sdbatch.jobs import Encoding, Job, Shot
from sdbatch.motion.settings import Motion
from sdbatch.resolve import Resolved
from sdbatch.text import slug
from sdbatch.validation import check

LIMIT = 200_000_000  # combinations before skip rules: what fits in memory as indices


@dataclass(frozen=True, slots=True)
class Setting:
    """What one position on the sweep's axes decides."""

    negative: str
    sampling: dict[str, Any]
    motion: Motion
    encoding: Encoding


class Plan(Sequence[Job]):
    """A sequence of jobs, made on demand. ``ids`` are in order; ``duplicates`` were left out."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.axes = axes(resolved)
        self._radix = [len(a.values) for a in self.axes]
        places = [prod(self._radix[i + 1 :]) for i in range(len(self._radix))]
        self._places = [(i, places[i]) for i, a in enumerate(self.axes) if self._decides(a)]
        self._setting = lru_cache(4096)(self._make_setting)
        self._first = lru_cache(4096)(lambda outer: self._make_job(outer * self._radix[-1]))
        self.problems = _check_motion(self)
        if self.problems:
            raise ConfigError(self.problems)
        kept = self._keep()
        limit = resolved.experiment.plan.limit
        if len(kept) > limit:
            raise ConfigError.one(
                "plan.limit", f"the plan has {len(kept):,} jobs, more than {limit:,}", "raise plan.limit"
            )
        self.skipped = prod(self._radix) - len(kept)
        self.indices, self.ids = self._distinct(kept)
        self.duplicates = len(kept) - len(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: Any) -> Any:
        return (
            [self[k] for k in range(*i.indices(len(self)))] if isinstance(i, slice) else self._job(int(self.indices[i]))
        )

    def __iter__(self) -> Iterator[Job]:
        return (self._job(int(i)) for i in self.indices)

    @property
    def digest(self) -> str:
        return "d" + blake2b("\n".join(self.ids).encode(), digest_size=8).hexdigest()

    def shard(self) -> range:
        """Positions of the jobs that this process renders."""
        part = self.resolved.experiment.shard
        return range(part.index, len(self), part.count)

    def _digits(self, index: int) -> tuple[int, ...]:
        out = []
        for n in reversed(self._radix):
            index, digit = divmod(index, n)
            out.append(digit)
        return tuple(reversed(out))

    def _job(self, index: int) -> Job:
        """Jobs that differ in the seed alone share everything else."""
        if self.axes[-1].keys != ("seeds",):
            return self._make_job(index)
        outer, digit = divmod(index, self._radix[-1])
        first, (seed,) = self._first(outer), self.axes[-1].values[digit]
        labels = (*first.labels[:-1], ("seeds", str(seed)))
        setting = self._setting(self._deciding(index))
        return motion.make(replace(first.shot, seed=seed), setting.motion, setting.encoding, first.slug, labels)

    def _make_job(self, index: int) -> Job:
        digits = self._digits(index)
        at = dict(
            chain.from_iterable(zip(a.keys, a.values[d], strict=True) for a, d in zip(self.axes, digits, strict=True))
        )
        setting = self._setting(self._deciding(index))
        prompt, (_, size) = at["prompts"], at["canvas"]
        negative = setting.negative if prompt.negative is None else prompt.negative
        model = self.resolved.source.model
        shot = Shot(model, prompt.text, negative, at["seeds"], size.width, size.height, **setting.sampling)
        labels = tuple((key, label(key, value)) for key, value in at.items())
        return motion.make(shot, setting.motion, setting.encoding, slug(prompt.id), labels)

    def _deciding(self, index: int) -> tuple[int, ...]:
        """The digits of the axes that a Setting depends on (0 elsewhere)."""
        out = [0] * len(self._radix)
        for i, place in self._places:
            out[i] = index // place % self._radix[i]
        return tuple(out)

    @staticmethod
    def _decides(axis: Axis) -> bool:
        return any("." in key or key == "negative" for key in axis.keys)

    def _make_setting(self, digits: tuple[int, ...]) -> Setting:
        experiment = self.resolved.experiment
        swept = {k: v for a, d in zip(self.axes, digits, strict=True) for k, v in zip(a.keys, a.values[d], strict=True)}
        sections = {s: _section(getattr(experiment, s), s, swept) for s in SECTIONS}
        encoding = Encoding(**sections["encoding"].model_dump())
        sampling = {k: getattr(sections["sampling"], k) for k in type(sections["sampling"]).model_fields}
        negative = swept.get("negative", experiment.negative)
        return Setting(negative, sampling, sections["motion"], encoding)

    def _keep(self) -> NDArray[np.int64]:
        total = prod(self._radix)
        if total > LIMIT:
            raise ConfigError.one(
                "plan.limit", f"the axes make {total:,} combinations", f"at most {LIMIT:,} can be planned"
            )
        index = np.arange(total, dtype=np.int64)
        rules = self.resolved.experiment.skip
        if not rules:
            return index
        digits = dict(enumerate(np.unravel_index(index, self._radix)))
        skipped = np.zeros(total, bool)
        problems: list[Problem] = []
        for n, rule in enumerate(rules):
            try:
                skipped |= _matches(rule, f"skip[{n}]", self, digits)
            except ConfigError as e:
                problems += e.problems
        if problems:
            raise ConfigError(problems)
        if skipped.all():
            raise ConfigError.one("skip", "the rules leave no job")
        return index[~skipped]

    def _distinct(self, kept: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
        ids = {self._job(int(i)).id: int(i) for i in reversed(kept.tolist())}  # the first of equal jobs stays
        pairs = sorted((i, job_id) for job_id, i in ids.items())
        return np.array([i for i, _ in pairs], np.int64), [job_id for _, job_id in pairs]


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
        return [[k.time, k.value, k.ease] for k in value]
    return value if value is None or isinstance(value, int | float | str | list | bool) else str(value)


def _check_motion(plan: Plan) -> list[Problem]:
    """Every combination of motion keys, and keys that no mode of this experiment takes."""
    moving = [i for i, a in enumerate(plan.axes) if any(k.startswith("motion.") for k in a.keys)]
    combinations = np.ndindex(*(len(plan.axes[i].values) for i in moving)) if moving else iter([()])
    problems: dict[str, Problem] = {}
    found: list[Motion] = []
    for combination in combinations:
        digits = [0] * len(plan.axes)
        for i, d in zip(moving, combination, strict=True):
            digits[i] = d
        try:
            found.append(plan._make_setting(tuple(digits)).motion)
        except ConfigError as e:
            problems |= {str(p): p for p in e.problems}
    return list(problems.values()) or _unused(found)


def _unused(found: list[Motion]) -> list[Problem]:
    """A schedule on something that cannot move in any of the film modes used is a mistake, not a wish to ignore."""
    films = [m for m in found if m.mode != "still"]
    if not films:
        return []
    always = {"mode", "seconds", "frames", "fps"}
    used = always.union(*(motion.MODES[m.mode].USES for m in films))
    modes = ", ".join(sorted({m.mode for m in films}))
    extra = sorted({k for m in films for k in m.model_dump(exclude_defaults=True)} - used)
    return [Problem(f"motion.{k}", f"is not used by mode {modes}", f"takes {', '.join(sorted(used))}") for k in extra]


def _matches(rule: dict[str, Any], at: str, plan: Plan, digits: dict[int, NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Which combinations match every key of ``rule`` (a list of values: any of them)."""
    if not rule:
        raise ConfigError.one(at, "is empty", "write for example {sampling.steps: 12}")
    keys = {key: i for i, axis in enumerate(plan.axes) for key in axis.keys}
    problems = [
        Problem(f"{at}.{k}", "is no axis of this experiment", nearest(k, keys) or f"axes are {', '.join(keys)}")
        for k in rule
        if k not in keys
    ]
    if problems:
        raise ConfigError(problems)
    mask = np.ones(len(next(iter(digits.values()))), bool)
    for key, wanted in rule.items():
        axis = plan.axes[keys[key]]
        column = axis.keys.index(key)
        allowed = wanted if isinstance(wanted, list) else [wanted]
        hits = [_equal(key, values[column], allowed) for values in axis.values]
        if not any(hits):
            known = ", ".join(dict.fromkeys(label(key, v[column]) for v in axis.values[:20]))
            raise ConfigError.one(f"{at}.{key}", f"{wanted!r} matches no value", f"values are {known}")
        mask &= np.array(hits, bool)[digits[keys[key]]]
    return mask


def _equal(key: str, value: Any, allowed: list[Any]) -> bool:
    if key == "prompts":
        return value.id in allowed or value.text in allowed
    if key == "canvas":
        return value[0] in [str(a) for a in allowed]
    return value in allowed or label(key, value) in [str(a) for a in allowed]


def plan(resolved: Resolved) -> Plan:
    """All jobs of ``resolved``, in order. Raises ConfigError with everything that is wrong."""
    return Plan(resolved)
