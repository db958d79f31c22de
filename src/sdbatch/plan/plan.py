"""The plan: every job of an experiment, in order. Pure, lazy, no torch.

``plan[i]`` is built on demand from the positions of index i on the axes (prompts outermost, seeds innermost), so a plan
of 100,000 jobs stores ids and indices, not jobs. Jobs that a ``skip`` rule matches and duplicates are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain, groupby
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdbatch import motion
from sdbatch.config.keys import STYLES
from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError, Problems
from sdbatch.models.source import Source
from sdbatch.motion.wording import has_step_syntax
from sdbatch.plan import combination, naming, skip
from sdbatch.plan.axes import axes, label
from sdbatch.plan.combinations import Combinations
from sdbatch.plan.lora_axis import with_loras
from sdbatch.plan.resolve import Resolved
from sdbatch.plan.styles import Styles
from sdbatch.prompts.findings import findings
from sdbatch.prompts.schedule import PARTS, parts
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.inputs import first_pass
from sdbatch.spec.jobs import Job, Model, Shot, Video, ids_by_seed
from sdbatch.spec.limits import FLAT
from sdbatch.spec.ranges import slug


class Outline:
    """The combinations of an experiment's axes, without the ids of their jobs, which take most of a plan's time.

    ``skipped`` counts the combinations that skip rules removed. Raises ConfigError for invalid sweeps, skip rules and
    combinations, and for more than ``plan.limit`` jobs.
    """

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.axes = axes(resolved)
        self._radix = [len(a.values) for a in self.axes]
        places = [prod(self._radix[i + 1 :]) for i in range(len(self._radix))]
        self._places = [(i, places[i]) for i, a in enumerate(self.axes) if combination.affects_setting(a)]
        self._by_seed = self.axes[-1].keys == ("seeds",)
        self._setting = lru_cache(4096)(lambda digits: combination.make(resolved, self.axes, digits))
        self._first = lru_cache(4096)(lambda outer: self._make(outer * self._radix[-1]))
        combinations = skip.remaining(self.axes, resolved.experiment.skip)
        problems = Problems(combination.problems(resolved, Combinations(self.axes, combinations)))
        self._names, wrong = naming.template(resolved.experiment.output.names)
        problems += wrong
        problems.report()
        limit = resolved.experiment.plan.limit
        if len(combinations) > limit:
            raise ConfigError.one(
                "plan.limit", f"the plan has {len(combinations):,} jobs, more than {limit:,}", "raise plan.limit"
            )
        self.skipped = prod(self._radix) - len(combinations)
        self.indices = combinations

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def looks(self) -> int:
        """An upper bound of the number of jobs that differ in more than the seed."""
        seeds = self._radix[-1] if self._by_seed else 1
        return -(-len(self.indices) // seeds)

    def look(self, i: int) -> Job:
        """Job i without its id."""
        return self._make(int(self.indices[i]))

    def alike(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(first, group): jobs of one group differ only in the seed and in texts of as many parts with the same LoRAs;
        ``first`` are the groups' first positions.

        ``group[i]`` is the group of job i. No job is made.
        """
        group = np.zeros(len(self.indices), np.int64)
        for i, axis in enumerate(self.axes):
            digits = self.indices // prod(self._radix[i + 1 :]) % self._radix[i]
            if combination.affects_setting(axis) or "canvas" in axis.keys:
                group = group * self._radix[i] + digits
            if "prompts" in axis.keys:
                column = axis.keys.index("prompts")
                counts = np.array([len(parts(value[column].text)) for value in axis.values])
                group = group * (PARTS + 1) + counts[digits]
                sets = {loras: n for n, loras in enumerate(dict.fromkeys(v[column].loras for v in axis.values))}
                group = group * len(sets) + np.array([sets[value[column].loras] for value in axis.values])[digits]
        _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
        return first, inverse

    @cached_property
    def models(self) -> dict[Source, ModelSettings]:
        """The models of the jobs, in the order of their first jobs, and their settings."""
        places = [(i, place) for i, place in self._places if combination.affects_model(self.axes[i])]
        digits = np.stack([self.indices // place % self._radix[i] for i, place in places]) if places else None
        first = [0] if digits is None else sorted(np.unique(digits, axis=1, return_index=True)[1].tolist())
        settings = (self._setting(self._setting_digits(int(self.indices[n]))) for n in first[: len(self)])
        by_model: dict[Model, tuple[Source, ModelSettings]] = {}
        for setting in settings:
            by_model.setdefault(setting.source.model, (setting.source, setting.model))
        return dict(by_model.values())

    @property
    def notes(self) -> list[tuple[str, str]]:
        """(name of the text, warning about it as written), each warning once."""
        prompts = [t for a in self.axes if "prompts" in a.keys for v in a.values for t in (v[a.keys.index("prompts")],)]
        negatives = [t.negative for t in prompts if t.negative] + self._negatives()
        found = {note: t.id for t in reversed(prompts) for note in reversed(t.notes)}
        found |= {note: str(s) for s in self.styles for style in s.used for note in findings(style.prompt)}
        texts = {note: "negative" for text in negatives for note in findings(text, negative=True)}
        notes = [(name, note) for note, name in [*reversed(found.items()), *texts.items()]]
        return [*notes, *self._repeated(), *self.resolved.pictures.notes]

    def _repeated(self) -> Iterator[tuple[str, str]]:
        """Prompts that are the same as an earlier one, so that their jobs are left out."""
        first: dict[Any, str] = {}
        for axis in self.axes:
            for (prompt,) in axis.values if axis.keys == ("prompts",) else ():
                name = first.setdefault((prompt.text, prompt.negative, prompt.loras), prompt.id)
                if name != prompt.id:
                    yield prompt.id, f"the same text as {name}, so it is left out"

    @property
    def styles(self) -> list[Styles]:
        """The styles that are swept, or none."""
        return [v[a.keys.index(STYLES)] for a in self.axes if STYLES in a.keys for v in a.values] or [Styles()]

    def _negatives(self) -> list[str]:
        """The negative prompts that prompts without one of their own get."""
        swept = [v[a.keys.index("negative")] for a in self.axes if "negative" in a.keys for v in a.values]
        return swept or [self.resolved.experiment.negative]

    def _digits(self, index: int) -> tuple[int, ...]:
        """The position on every axis of the combination ``index`` (mixed radix)."""
        out = []
        for n in reversed(self._radix):
            index, digit = divmod(index, n)
            out.append(digit)
        return tuple(reversed(out))

    def _make(self, index: int) -> Job:
        digits = self._digits(index)
        at = dict(
            chain.from_iterable(zip(a.keys, a.values[d], strict=True) for a, d in zip(self.axes, digits, strict=True))
        )
        values = self._setting(self._setting_digits(index))
        prompt, size = at["prompts"], combination.size_of(at["canvas"], values, self.resolved.source)
        text, tags = self.resolved.adapters.extracted(values.styles.prompt(prompt.text), STYLES)
        negative = values.styles.negative(values.negative if prompt.negative is None else prompt.negative)
        model = with_loras(values.source.model, (*values.loras, *prompt.loras, *tags), values.lora_weight)
        words = (text, negative, *values.motion.words())
        more: dict[str, Any] = {
            "step_syntax": has_step_syntax(text, negative, values.motion),
            "embeddings": self.resolved.adapters.in_texts(words),
            "init": values.started(size),
            "controls": values.controls,
        }
        shot = Shot(model, text, negative, at["seeds"], size.width, size.height, **values.sampling, **more)
        labels = tuple((key, label(key, value)) for key, value in at.items())
        shot = shot if values.passes else first_pass(shot)
        video = None if values.motion.mode == "still" else Video(values.motion, values.encoding)
        return Job("", shot, video, slug(prompt.id), labels, passes=values.passes)

    def _setting_digits(self, index: int) -> tuple[int, ...]:
        """The positions on the axes that a Setting depends on (0 on other axes)."""
        out = [0] * len(self._radix)
        for i, place in self._places:
            out[i] = index // place % self._radix[i]
        return tuple(out)


class Plan(Outline, Sequence[Job]):
    """A sequence of jobs, built on demand.

    ``ids`` are in plan order; ``duplicates`` counts the jobs with equal ids that were left out. Raises ConfigError as
    ``Outline`` does.
    """

    def __init__(self, resolved: Resolved) -> None:
        super().__init__(resolved)
        combinations = len(self.indices)
        self.indices, self.ids = self._distinct(self.indices)
        self.duplicates = combinations - len(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        job = self._job(int(self.indices[i]), self.ids[i], len(self.ids) > FLAT)
        return job if self._names is None else self._names.named(job)

    def __iter__(self) -> Iterator[Job]:
        return (self[i] for i in range(len(self)))

    @property
    def digest(self) -> str:
        return plan_digest(self.ids)

    def _job(self, index: int, job_id: str, spread: bool) -> Job:
        """The job of the combination ``index``. Jobs that differ only in the seed share the rest, which is cached."""
        if not self._by_seed:
            return replace(self._make(index), id=job_id, spread=spread)
        outer, digit = divmod(index, self._radix[-1])
        first, (seed,) = self._first(outer), self.axes[-1].values[digit]
        labels = (*first.labels[:-1], ("seeds", str(seed)))
        shot = first.shot.with_seed(seed)
        return Job(job_id, shot, first.video, first.slug, labels, spread=spread, passes=first.passes)

    def _distinct(self, combinations: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
        indices = combinations.tolist()
        ids: dict[str, int] = {}
        for i, job_id in zip(indices, self._identified(indices), strict=True):
            ids.setdefault(job_id, i)  # the first of equal jobs is kept
        return np.array(list(ids.values()), np.int64), list(ids)

    def _identified(self, indices: list[int]) -> Iterator[str]:
        """The id of each combination."""
        if not self._by_seed:
            yield from (motion.identify(self._make(i)) for i in indices)
            return
        seeds, count = self.axes[-1].values, self._radix[-1]
        for outer, group in groupby(indices, key=lambda i: i // count):
            first = self._first(outer)
            if first.video is None and not first.passes:
                yield from ids_by_seed(first.shot, (seeds[i % count][0] for i in group))
            else:
                yield from (motion.identify(self._job(i, "", False)) for i in group)


def plan(resolved: Resolved) -> Plan:
    """All jobs of ``resolved``, in order. Raises ConfigError with every mistake found."""
    return Plan(resolved)
