"""The report of ``task=plan`` as data: the jobs of an experiment, their states and costs. Does not import torch."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sdbatch import motion
from sdbatch.models.source import CLIP
from sdbatch.motion.chains import joined
from sdbatch.plan import division
from sdbatch.plan.plan import Outline, Plan
from sdbatch.prompts.networks import extract
from sdbatch.prompts.schedule import by_step
from sdbatch.prompts.syntax import attention, chunks, cuts, unsupported
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.runner import estimate, key_of
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.spec.cost import cost, inserts_of
from sdbatch.spec.cost import evaluations as evaluations_of
from sdbatch.spec.cost import rows as rows_of
from sdbatch.spec.jobs import Job, Shot
from sdbatch.spec.wording import texts_of
from sdbatch.store import TO_RENDER, State, States, Store
from sdbatch.tasks.plan_table import SHOWN
from sdbatch.workers import expected_cards


def survey(plan: Plan, store: Store, timings: Path) -> dict[str, Any]:
    """The report as JSON-compatible data. ``timings`` is the file of earlier runs."""
    ledger = store.ledger()
    states = store.states(plan, ledger)
    shard = plan.resolved.experiment.shard
    part = division.shard(plan, shard.index, shard.count)
    todo = list(states.where(*TO_RENDER, part=part))
    caches = [ShotCache(store, name, ledger) for name in store.shot_profiles() if store.profile(name) is not None]
    costs = _costs(_distinct((plan[i] for i in todo), caches))
    seconds = estimate(timings, costs.pop("work"), key_of(source.model.weights for source in plan.models))
    cards = min(expected_cards(plan.resolved.experiment.runtime), max(1, len(todo)))  # a video is not divided
    counts = {str(k): v for k, v in Counter(states[i] for i in part).items()}
    draw, texts = plan.resolved.draw, _all_texts(plan)
    shown = _shown_texts(plan, texts)
    return {
        "name": plan.resolved.experiment.name,
        "digest": plan.digest,
        "model": plan.resolved.source.model.weights,
        "models": _models(plan, todo),
        "jobs": len(plan),
        "skipped": plan.skipped,
        "duplicates": plan.duplicates,
        "shard": {"index": shard.index, "count": shard.count, "jobs": len(part)},
        "states": {str(s): counts.get(str(s), 0) for s in State} | {"orphaned": len(states.orphans)},
        "axes": _by_axis(plan, states),
        "follows": _followed(plan),
        "seeds_drawn": draw is None or draw.kept,
        "to_render": {"jobs": len(todo), **costs},
        "largest": _largest(plan, todo),
        "native": plan.resolved.source.native,
        "estimated_seconds": None if seconds is None else round(seconds / cards, 1),
        "texts": _texts(plan, shown),
        "unknown_words": _unknown(plan, shown),
        "plain_words": _plain_words(texts),
        "prompt_warnings": [{"text": name, "warning": warning} for name, warning in plan.notes],
        "folder": str(store.root),
        "writes": [plan[i].path for i in todo[:1000]],
    }


def _models(plan: Plan, todo: Sequence[int]) -> dict[str, Any]:
    """The weights of the plan's models. ``loads``: how many of them a process that renders alone will load."""
    needed = {plan[i].shot.model for i in todo} if len(plan.models) > 1 else {plan[i].shot.model for i in todo[:1]}
    return {"weights": [source.model.weights for source in plan.models], "loads": len(needed)}


def _followed(plan: Plan) -> list[dict[str, Any]]:
    """The users' videos that all films follow; those of an axis are in its values."""
    resolved = plan.resolved
    pictures = [*resolved.inits, *(one.picture for choice in resolved.controls[:1] for one in choice)]
    found = dict.fromkeys(p for p in pictures if p and p.clip)
    return [{"video": str(p), "frames": p.clip.frames, "rate": p.clip.rate} for p in found if p.clip]


def _missing(job: Job, caches: Sequence[ShotCache]) -> Sequence[Shot]:
    """The shots that ``job`` needs, for the profile with the most stored shots (another profile needs more)."""
    shots = motion.shots(job)
    return min(([s for s in shots if not cache.has(s.id)] for cache in caches), key=len, default=shots)


def _costs(shots: Iterable[Shot]) -> dict[str, Any]:
    """Numbers of shots, evaluations and denoiser rows; ``work`` is the argument of ``runner.estimate``."""
    count = evaluations = rows = 0
    work = 0.0
    for shot in shots:
        count, evaluations, rows = count + 1, evaluations + evaluations_of(shot), rows + rows_of(shot)
        work += cost(shot)
    return {"shots": count, "evaluations": evaluations, "rows": rows, "work": work}


def _largest(plan: Plan, todo: Sequence[int]) -> list[int]:
    """The largest size to render, passes included: what memory depends on."""
    sizes = {(size.width, size.height) for size in (plan[i].size for i in todo)}
    return list(max(sizes, key=lambda size: size[0] * size[1], default=(0, 0)))


def _distinct(jobs: Iterable[Job], caches: Sequence[ShotCache]) -> Iterator[Shot]:
    """The shots to render for ``jobs``, without duplicates."""
    seen: set[str] = set()
    for job in jobs:
        several = job.video is not None or job.passes
        for shot in _missing(job, caches):
            if (shot_id := shot.id if several else job.id) not in seen:
                seen.add(shot_id)
                yield shot


def _by_axis(plan: Plan, states: States) -> list[dict[str, Any]]:
    found: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for i, job in enumerate(plan):
        done = states[i] in (State.DONE, State.OTHER)
        for axis, value in job.labels:
            n = found[axis].setdefault(value, [0, 0])
            n[0] += 1
            n[1] += done
    return [
        {"axis": axis, "values": {v: {"jobs": n, "done": d} for v, (n, d) in values.items()}}
        for axis, values in found.items()
    ]


class _Text(NamedTuple):
    """A text before its steps are chosen. A negative prompt has no ``AND``."""

    text: str
    negative: bool = False


def _all_texts(plan: Outline) -> dict[_Text, str]:
    """Every text and its name: negatives, and prompts with the video's words and last motion phrase."""
    experiment = plan.resolved.experiment
    phrase = experiment.motion.phrases()[-1] if experiment.motion.mode != "still" else ""
    words = [key.value for key in experiment.motion.prompts] or [""]
    prompts = {joined(p.text, w, phrase): p.id for p in plan.resolved.prompts for w in words}
    negatives = {p.negative: f"{p.id} (negative)" for p in plan.resolved.prompts if p.negative is not None}
    for axis in plan.axes:
        for value in axis.values if {"prompts", "negative"} & set(axis.keys) else ():
            for key, v in zip(axis.keys, value, strict=True):
                if key == "prompts":
                    prompts.setdefault(v.text, v.id)
                elif key == "negative":
                    negatives[v] = "negative"
    negatives |= {experiment.negative: "negative"}
    out = {_Text(extract(style.prompt(text))[0]): name for style in plan.styles for text, name in prompts.items()}
    styled = {_Text(style.negative(text), True): name for style in plan.styles for text, name in negatives.items()}
    return out | {text: name for text, name in styled.items() if text.text}


def _shown_texts(plan: Outline, texts: Mapping[_Text, str]) -> dict[str, str]:
    """What is encoded of ``texts``, at any step and of any part, and their names."""
    steps = plan.resolved.experiment.sampling.steps
    found = ((by_step if text.negative else texts_of, text.text, name) for text, name in texts.items())
    return {shown: name for split, text, name in found for shown in split(text, steps)}


def _plain_words(texts: Iterable[_Text]) -> list[str]:
    """The syntax of other tools in ``texts``."""
    return sorted({mark for text, _ in texts for mark in unsupported(text)})


def _texts(plan: Outline, shown: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of ``shown`` those of several chunks, and where they are split. No part of a text is dropped."""
    found = {}
    for folder, chunk in dict.fromkeys((s.vocabulary, s.chunk) for s in plan.models if s.reads_text):
        vocabulary = Vocabulary.load(folder)
        for t, name in shown.items():
            inserts = inserts_of(plan.resolved.adapters.in_texts((t,)), vocabulary.size)
            if (count := chunks(t, vocabulary, chunk, inserts)) > 1:
                found[t, count] = {"text": name, "chunks": count, "cuts": list(cuts(t, vocabulary, chunk, inserts))}
    return list(found.values())


def _unknown(plan: Outline, shown: Iterable[str]) -> list[str]:
    """Words of ``shown`` that a small vocabulary (not CLIP's) does not contain, without textual inversions."""
    folders = {s.vocabulary for s in plan.models if s.vocabulary != CLIP and s.reads_text}
    runs = [run for text in shown for run, _ in attention(text) if run != "BREAK"] if folders else []
    names = {e.name.casefold() for e in plan.resolved.adapters.in_texts(runs)}
    found = {w for folder in folders for run in runs for w in Vocabulary.load(folder).unknown(run)}
    return sorted(w for w in found if w.casefold() not in names)


def text_warnings(plan: Outline) -> list[str]:
    """What the user should know about the texts, a line each: long ones, unknown words, syntax of other tools."""
    texts = _all_texts(plan)
    shown = _shown_texts(plan, texts)
    long = _texts(plan, shown)
    lines = [f"{t['text']}: long text, {t['chunks']} chunks, cut at {'; '.join(t['cuts'][:3])}" for t in long]
    lines += [f"{name}: {warning}" for name, warning in plan.notes]
    plain_words, unknown = _plain_words(texts), _unknown(plan, shown)
    for what, words in (("treated as plain words", plain_words), ("words unknown to the model", unknown)):
        lines += [f"{what}: {', '.join(words[:SHOWN])}{', …' if len(words) > SHOWN else ''}"] if words else []
    return lines[:SHOWN]


def as_json(report: dict[str, Any]) -> str:
    return json.dumps(report, indent=2, ensure_ascii=False)
