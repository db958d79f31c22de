"""Jobs of several plans as one: what they differ in becomes their axes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from operator import attrgetter
from typing import Any

from sdbatch.config.experiment import Sampling
from sdbatch.config.keys import OF_MODEL, SECTIONS, STYLES
from sdbatch.plan import passes
from sdbatch.plan.axes import Axis, label
from sdbatch.spec.jobs import Job, Shot

FIRST, LAST = ("experiment", "model", "prompts", "canvas"), ("seeds",)  # of all axes, if there are any
_NO_VIDEO = {"motion.mode": "still"}
OWN = "of the prompt"  # a negative prompt that only one prompt has


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
    """All jobs of ``plans``, in order. A key with several values that is not an axis of theirs becomes one."""
    jobs = [job for plan in plans for job in plan]
    columns = {key: [_label(job, key) for job in jobs] for key in _keys(jobs)}
    styles = columns.get(STYLES, [""] * len(jobs))
    for key, meant in _MEANT.items():
        if key in columns:
            columns[key] = _numbered(columns[key], [meant(job.shot) for job in jobs], styles)
    if "negative" in columns:
        columns["negative"] = _own_negatives(columns)
    for key, deciding in _DECIDED.items():
        if key in columns and _depends(columns[key], [columns[k] for k in deciding if k in columns]):
            del columns[key]
    if len(set(zip(*columns.values(), strict=True))) < len(jobs):  # what no key says, such as files behind equal names
        columns["run"] = [str(n) for n, plan in enumerate(plans, 1) for _ in plan]
    labels = zip(*columns.values(), strict=True)
    named = [replace(job, labels=tuple(zip(columns, own, strict=True))) for job, own in zip(jobs, labels, strict=True)]
    return Together(named, tuple(_axes(columns)))


def _keys(jobs: Sequence[Job]) -> list[str]:
    """The keys of all labels, and of settings that differ."""
    found = dict.fromkeys(key for own in dict.fromkeys(job.labels for job in jobs) for key, _ in own)
    found |= dict.fromkeys(_differing(jobs))
    inner = [key for key in found if key not in FIRST + LAST]
    return [*(k for k in FIRST if k in found), *inner, *(k for k in LAST if k in found)]


def _differing(jobs: Iterable[Job]) -> Iterator[str]:
    """The keys of settings with several values. Jobs of one setting count once."""
    how = attrgetter("model", "negative", "init", *Sampling.model_fields)
    settings = {(how(job.shot), job.video, job.passes): job for job in jobs}.values()
    for key in (*_DECIDED, *_OF_INIT, *_KEYS):
        if len({_value(job, key) for job in settings}) > 1:
            yield key


_OF_SHOT: dict[str, Callable[[Shot], Any]] = {
    "model": lambda shot: shot.model.plain,
    "loras": lambda shot: shot.model.loras,
    "negative": lambda shot: shot.negative,
    "models": lambda shot: shot.model.name or _short(shot.model.weights),
    "model.vae": lambda shot: _short(shot.model.vae) if shot.model.vae else None,
    "model.clip_skip": lambda shot: shot.model.clip_skip,
}
_OF_INIT = {"init.image": "picture", "init.strength": "strength", "init.resize": "resize"}
_MEANT = {"prompts": attrgetter("prompt"), "model": attrgetter("model.weights"), "models": attrgetter("model.weights")}
_DECIDED = {  # keys that others can decide: then they do not get an axis
    "model": ("models", *OF_MODEL),
    "negative": ("prompts", STYLES),
    "loras": ("prompts", STYLES, "lora_weight"),
}
_KEYS = tuple(f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields)


def _value(job: Job, key: str) -> Any:
    if key in _OF_SHOT:
        return _OF_SHOT[key](job.shot)
    if key in _OF_INIT:
        return getattr(job.shot.init, _OF_INIT[key]) if job.shot.init else ""
    if key not in _KEYS:  # of another plan, and no setting of a job
        return ""
    section, name = key.split(".")
    if section == "sampling":
        return getattr(job.shot, name)
    if section in (passes.HIRES, passes.UPSCALE):
        return passes.value(job.passes, key)
    return getattr(getattr(job.video, section), name) if job.video else _NO_VIDEO.get(key, "")


def _label(job: Job, key: str) -> str:
    """The label of ``job`` on the axis ``key``, also if its own plan has no such axis."""
    if (own := dict(job.labels).get(key)) is not None:
        return own
    if key == "model":
        model = job.shot.model
        more = [f"clip skip {model.clip_skip}"] * (model.clip_skip > 1) + [f"vae {_short(model.vae)}"] * bool(model.vae)
        return " ".join([model.name or _short(model.weights), *more])
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


def _numbered(names: Sequence[str], meant: Sequence[str], styles: Sequence[str]) -> list[str]:
    """``names``, numbered where plans mean several things by one, with the same styles: texts or weights."""
    known: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    numbers = (known[n, s].setdefault(m, len(known[n, s]) + 1) for n, m, s in zip(names, meant, styles, strict=True))
    return [name if number == 1 else f"{name}-{number}" for name, number in zip(names, numbers, strict=True)]


def _own_negatives(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """The labels of negative prompts: if only some prompts have several, those of the others have one name."""
    by_prompt: dict[str, set[str]] = defaultdict(set)
    for prompt, negative in zip(columns.get("prompts") or repeat(""), columns["negative"], strict=False):
        by_prompt[prompt].add(negative)
    several = set().union(*(found for found in by_prompt.values() if len(found) > 1))
    return [text if not several or text in several else OWN for text in columns["negative"]]


def _depends(column: Sequence[str], deciding: Sequence[Sequence[str]]) -> bool:
    """Whether the values of ``column`` follow from those of ``deciding``."""
    places = list(zip(*deciding, strict=True))
    return bool(places) and len(set(places)) == len(set(zip(places, column, strict=True)))


def _axes(columns: Mapping[str, Sequence[str]]) -> Iterator[Axis]:
    """One axis for each key; keys of settings whose values always go together share one."""
    groups: dict[Any, list[str]] = defaultdict(list)
    for key, values in columns.items():
        places = {value: n for n, value in enumerate(dict.fromkeys(values))}
        alone = key in FIRST + LAST or len(places) == 1
        groups[key if alone else tuple(places[value] for value in values)].append(key)
    for keys in groups.values():
        rows = dict.fromkeys(zip(*(columns[key] for key in keys), strict=True))
        yield Axis(tuple(keys), _sorted(list(rows)))


def _sorted(values: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Numbers by size; anything else in its order of appearance."""
    try:
        return sorted(values, key=lambda value: tuple(map(float, value)))
    except ValueError:
        return values
