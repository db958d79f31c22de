"""Mistakes, number of jobs, what is done, and the time of a form, while the user types. Does not import torch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdbatch import motion
from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError
from sdbatch.plan.plan import Outline, Plan
from sdbatch.plan.prompt_files import Text
from sdbatch.plan.resolve import Resolved, resolve
from sdbatch.runner import estimate
from sdbatch.spec.cost import cost
from sdbatch.store import State, Store
from sdbatch.studio.form import Form, problems
from sdbatch.studio.workspace import Draft, Workspace
from sdbatch.tasks.plan_report import text_warnings
from sdbatch.tasks.plan_table import duration

MAX_TIMINGS = 50  # files of earlier runs that are read
REMEMBERED = 30.0  # seconds for which the prompts of the latest form are kept
FRESH = 5.0  # seconds for which the speed of earlier runs is remembered


@dataclass(frozen=True, slots=True)
class Limits:
    """Plans with more differing pictures or films than these get no ids, so it is not known what is done.

    ``sample``: jobs whose cost is computed, the others cost about the same; ``texts``: prompts that are tokenized.
    """

    pictures: int
    films: int
    sample: int
    texts: int


TYPING = Limits(pictures=300, films=1, sample=20, texts=50)  # a tenth of a second
PATIENT = Limits(pictures=20_000, films=60, sample=200, texts=2_000)  # seconds


class Checks:
    """Checks forms of ``workspace``; remembers how fast earlier runs were."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._texts: tuple[float, Any, tuple[Text, ...]] = (0.0, None, ())
        self._speeds: dict[str, tuple[float, float | None]] = {}

    def check(self, form: Form, patient: bool = False) -> dict[str, Any]:
        """The answer for the page. ``patient``: the user has stopped typing, so it may take seconds."""
        limits = PATIENT if patient else TYPING
        try:
            draft = self._workspace.draft(form)
            found = self._report(draft, limits)
        except ConfigError as e:
            return _nothing(form) | {"problems": problems(e)}
        return _nothing(form) | _about(draft) | found

    def _report(self, draft: Draft, limits: Limits) -> dict[str, Any]:
        try:
            resolved = self._resolved(draft.experiment)
            outline = Outline(resolved)
        except ConfigError as e:
            raise ConfigError(map(draft.settings.shown, e.problems)) from e
        film = draft.form.kind == "film"
        todo, states = len(outline), None
        if outline.looks <= limits.pictures and (not film or len(outline) <= limits.films):
            plan = Plan(resolved)
            states = _states(plan, draft.experiment)
            todo = len(plan) - states["done"]
        seconds = self._seconds(outline, todo, limits.sample, resolved)
        return {
            "jobs": len(outline) if states is None else len(plan),
            "skipped": outline.skipped,
            "todo": todo,
            "more": states is None,
            "axes": [{"axis": ", ".join(a.keys), "values": len(a.values)} for a in outline.axes],
            "seconds": seconds,
            "seconds_text": None if seconds is None else duration(seconds),
            "warnings": text_warnings(outline) if len(resolved.prompts) <= limits.texts else [],
        } | (states or {})

    def _resolved(self, experiment: Experiment) -> Resolved:
        """Thousands of prompts are not read again at every key; rendering reads them in any case."""
        key, (at, before, texts) = (experiment.prompts, experiment.wildcards, experiment.styles), self._texts
        if texts and before == key and time.monotonic() - at < REMEMBERED:
            return resolve(experiment, texts)
        resolved = resolve(experiment)
        self._texts = time.monotonic(), key, resolved.prompts
        return resolved

    def _seconds(self, outline: Outline, todo: int, sample: int, resolved: Resolved) -> float | None:
        speed = self._speed(resolved.source.model.weights)
        if speed is None or not todo:
            return None if todo else 0.0
        places = np.unique(np.linspace(0, len(outline) - 1, min(sample, outline.looks)).astype(int))
        costs = [sum(cost(shot) for shot in motion.shots(outline.look(int(i)))) for i in places]
        return round(speed * todo * float(np.mean(costs)), 1)

    def _speed(self, weights: str) -> float | None:
        """Seconds for a cost of 1, from the latest run with these weights; None if there was none."""
        at, speed = self._speeds.get(weights, (0.0, None))
        if not at or time.monotonic() - at > FRESH:
            found = (estimate(path, 1.0, weights) for path in _timings())
            speed = next((s for s in found if s is not None), None)
            self._speeds[weights] = (time.monotonic(), speed)
        return speed


def _nothing(form: Form) -> dict[str, Any]:
    unknown = dict.fromkeys(("done", "failed", "seconds", "seconds_text", "name", "yaml", "command", "file"))
    counts = dict.fromkeys(("jobs", "skipped", "todo"), 0)
    flags = {"more": False, "taken": False}
    return {"n": form.n, "problems": [], "axes": [], "warnings": []} | unknown | counts | flags


def _about(draft: Draft) -> dict[str, Any]:
    return {
        "name": draft.experiment.name,
        "taken": draft.taken,
        "yaml": draft.yaml,
        "file": str(draft.file),
        "command": draft.command,
    }


def _states(plan: Plan, experiment: Experiment) -> dict[str, int]:
    store = Store(experiment.folder)
    if not store.root.is_dir():
        return {"done": 0, "failed": 0}
    counts = store.states(plan, store.ledger()).counts
    return {"done": counts[State.DONE] + counts[State.OTHER], "failed": counts[State.FAILED]}


def _timings() -> list[Path]:
    """The files with the speed of earlier runs, the latest first."""
    found: list[tuple[float, Path]] = []
    for path in Path("runs").glob("*/timings.json"):
        try:
            found.append((path.stat().st_mtime, path))
        except OSError:
            continue
    return [path for _, path in sorted(found, reverse=True)[:MAX_TIMINGS]]
