"""Jobs of several plans as one: what they differ in becomes their axes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from sdbatch.config.experiment import Sampling
from sdbatch.config.keys import SECTIONS
from sdbatch.plan.axes import Axis, label
from sdbatch.spec.jobs import Job, Shot

FIRST, LAST = ("experiment", "model", "prompts", "canvas"), ("seeds",)  # of all axes, if there are any
_NO_VIDEO = {"motion.mode": "still"}


class Together(Sequence[Job]):
    """The jobs of several plans, with the labels and axes that tell them apart."""

    def __init__(self, jobs: Sequence[Job], axes: Sequence[Axis]) -> None:
        self.jobs = jobs
        self.axes = axes
        self.ids = [job.id for job in jobs]

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, i: Any) -> Any:
        return self.jobs[i]


def experiment(job: Job, name: str) -> Job:
    """``job`` with the name of its experiment as a label."""
    return replace(job, labels=(("experiment", name), *job.labels))


def together(plans: Sequence[Sequence[Job]]) -> Together:
    """All jobs of ``plans``, in order. A key that is no axis of theirs and has several values becomes one."""
    jobs = [job for plan in plans for job in plan]
    keys = _keys(jobs)
    prompts = _distinct_prompts(jobs)
    labels = [
        tuple((key, prompts[n] if key == "prompts" else _label(job, key)) for key in keys) for n, job in enumerate(jobs)
    ]
    if len(set(labels)) < len(labels):  # differences that no key says, such as other files behind the same names
        runs = [n + 1 for n, plan in enumerate(plans) for _ in plan]
        labels = [(*own, ("run", str(run))) for own, run in zip(labels, runs, strict=True)]
    named = [replace(job, labels=own) for job, own in zip(jobs, labels, strict=True)]
    return Together(named, tuple(_axes(labels)))


def _keys(jobs: Sequence[Job]) -> list[str]:
    """The keys of all labels, and of settings that differ."""
    found = dict.fromkeys(key for own in dict.fromkeys(job.labels for job in jobs) for key, _ in own)
    found |= dict.fromkeys(_differing(jobs))
    inner = [key for key in found if key not in FIRST + LAST]
    return [*(k for k in FIRST if k in found), *inner, *(k for k in LAST if k in found)]


def _differing(jobs: Iterable[Job]) -> Iterator[str]:
    """The keys of settings with several values. Jobs of one setting count once."""
    how = attrgetter("model", "negative", *Sampling.model_fields)
    settings = {(how(job.shot), job.video): job for job in jobs}.values()
    for key in (*_OF_SHOT, *_KEYS):
        if len({_value(job, key) for job in settings}) > 1:
            yield key


_OF_SHOT: dict[str, Callable[[Shot], Any]] = {
    "model": lambda shot: shot.model.plain,
    "loras": lambda shot: shot.model.loras,
    "negative": lambda shot: shot.negative,
}
_KEYS = tuple(f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields)


def _value(job: Job, key: str) -> Any:
    if key in _OF_SHOT:
        return _OF_SHOT[key](job.shot)
    if key not in _KEYS:  # of another plan, and no setting of a job
        return ""
    section, name = key.split(".")
    if section == "sampling":
        return getattr(job.shot, name)
    return getattr(getattr(job.video, section), name) if job.video else _NO_VIDEO.get(key, "")


def _label(job: Job, key: str) -> str:
    """The label of ``job`` on the axis ``key``, also if its own plan has no such axis."""
    if (own := dict(job.labels).get(key)) is not None:
        return own
    if key == "model":
        model = job.shot.model
        more = [f"clip skip {model.clip_skip}"] * (model.clip_skip > 1) + [f"vae {_short(model.vae)}"] * bool(model.vae)
        return " ".join([_short(model.weights), *more])
    usual: dict[str, Callable[[], Any]] = {
        "prompts": lambda: job.slug,
        "canvas": lambda: f"{job.shot.width}x{job.shot.height}",
        "seeds": lambda: str(job.shot.seed),
        "experiment": str,
    }
    return label(key, usual[key]() if key in usual else _value(job, key))


def _short(weights: str) -> str:
    """Weights for users: the repository's name, or the beginning of the digest."""
    return weights.partition("@")[0].rpartition("/")[2] if "@" in weights else weights.removeprefix("b2:")[:8]


def _distinct_prompts(jobs: Sequence[Job]) -> list[str]:
    """The prompts' labels, numbered where plans have other texts under the same one."""
    texts: dict[str, dict[str, int]] = defaultdict(dict)
    out = []
    for job in jobs:
        name = _label(job, "prompts")
        number = texts[name].setdefault(job.shot.prompt, len(texts[name]) + 1)
        out.append(name if number == 1 else f"{name}-{number}")
    return out


def _axes(labels: Sequence[tuple[tuple[str, str], ...]]) -> Iterator[Axis]:
    """One axis for each key; keys of settings whose values always go together share one."""
    columns = {own[0][0]: [value for _, value in own] for own in zip(*labels, strict=True)}
    groups: dict[Any, list[str]] = defaultdict(list)
    for key, values in columns.items():
        places = {value: n for n, value in enumerate(dict.fromkeys(values))}
        alone = key in FIRST + LAST or len(places) == 1
        groups[key if alone else tuple(places[value] for value in values)].append(key)
    for keys in groups.values():
        values = list(dict.fromkeys(zip(*(columns[key] for key in keys), strict=True)))
        yield Axis(tuple(keys), _sorted(values))


def _sorted(values: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Numbers by size; anything else in its order of appearance."""
    try:
        return sorted(values, key=lambda value: tuple(map(float, value)))
    except ValueError:
        return values
