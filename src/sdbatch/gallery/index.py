"""The plan as data for the page: axes with their values, and jobs in chunks that share texts and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from sdbatch import motion
from sdbatch.config.experiment import Sampling
from sdbatch.config.model import ModelSettings
from sdbatch.gallery import command, table
from sdbatch.plan import prompt_names
from sdbatch.plan.axes import Axis, label, titles
from sdbatch.spec import given_files
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.file_names import PNG
from sdbatch.spec.jobs import Job, Video
from sdbatch.store.plan_file import Plan
from sdbatch.version import __version__

CHUNK = 2500  # jobs in one file
LISTED = 20_000  # values of an axis that are put in the axis' own order; beyond that the order of the plan
SAFE = 2**53  # larger whole numbers are text in JavaScript
_HOW = attrgetter("width", "height", "init", "model.loras", *Sampling.model_fields)  # of a shot: its setting
Parts = tuple[str, ...]  # one value of an axis: a label for each of its keys


class PlanIndex:
    """The index of a plan. Call ``plan`` after all ``chunks`` have been read.

    ``axes`` says which labels go together and in which order their values are; else labels are axes. ``path`` gives the
    path of a job's file, ``models`` the settings of a model by its key.
    """

    def __init__(
        self,
        plan: Plan,
        axes: Sequence[Axis] = (),
        path: Callable[[Job], str] = attrgetter("path"),
        models: Mapping[str, ModelSettings] = MappingProxyType({}),
    ) -> None:
        self._plan = plan
        self._models = models
        self.path = path
        self._keys = [axis.keys for axis in axes] or [(key,) for key in _labels(plan)]
        self._values: list[dict[Parts, int]] = [_listed(axis) for axis in axes] or [{} for _ in self._keys]
        self._first = plan[0].shot.model.plain.key if len(plan) else ""
        self._prompts: dict[str, dict[str, None]] = {}  # the texts of every label

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The jobs, ``CHUNK`` at a time; empty plans have none."""
        for start in range(0, len(self._plan), CHUNK):
            yield _Chunk(start).filled(self, self._plan, range(start, min(start + CHUNK, len(self._plan))))

    def model(self, job: Job) -> tuple[list[str], bool]:
        """The overrides that select the job's model, if the page has several; whether it is not known."""
        if len(self._models) > 1:
            settings = self._models.get(job.shot.model.key)
            return (command.model_overrides(settings), False) if settings else ([], True)
        return [], job.shot.model.key != self._first

    def plan(self, name: str) -> dict[str, Any]:
        single = self._models.get(self._first) if len(self._models) == 1 else None
        named = titles(key for keys in self._keys for key in keys)
        axes = [
            {"keys": keys, "title": joined(named[key] for key in keys), "values": list(map(joined, values))}
            | ({"names": names} if keys == ("prompts",) and (names := self._names(values)) else {})
            | ({"parts": list(values)} if len(keys) > 1 else {})
            for keys, values in zip(self._keys, self._values, strict=True)
        ]
        return {
            "name": name,
            "plan": plan_digest(self._plan.ids),
            "jobs": len(self._plan),
            "chunk": CHUNK,
            "axes": axes,
            "command": command.model_overrides(single) if single else [],
            "weights": self._plan[0].shot.model.weights if len(self._plan) else "",
            "version": __version__,
            "record": table.RECORD,
            "columns": table.columns(key for keys in self._keys for key in keys),
        }

    def digits(self, job: Job) -> list[int]:
        """The index of the job's value on each axis."""
        labels, out = dict(job.labels), []
        for keys, values in zip(self._keys, self._values, strict=True):
            parts = tuple(labels.get(key, "") for key in keys)
            out.append(values.setdefault(parts, len(values)))
            if keys == ("prompts",):
                self._prompts.setdefault(parts[0], {})[job.shot.prompt] = None
        return out

    def _names(self, values: Mapping[Parts, int]) -> dict[int, str]:
        """The names of prompts without an id of the user, by their digits."""
        return {values[label,]: name for label, name in prompt_names.names(self._prompts).items()}


class _Chunk:
    """Jobs as rows: id, file, then numbers: texts, settings, seed, and a digit for each axis."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._texts: dict[tuple[str, str, str], int] = {}
        self._settings: dict[Any, int] = {}
        self._setting_data: list[dict[str, Any]] = []
        self._commands: list[list[str]] = []

    def filled(self, index: PlanIndex, plan: Plan, part: range) -> dict[str, Any]:
        rows = [self._row(plan[i], index) for i in part]
        texts = [
            {"prompt": p, "negative": n, "command": c} for (p, n, _), c in zip(self._texts, self._commands, strict=True)
        ]
        return {"at": self._start, "texts": texts, "settings": self._setting_data, "rows": rows}

    def _row(self, job: Job, index: PlanIndex) -> list[Any]:
        shot = job.shot
        texts = (shot.prompt, shot.negative, dict(job.labels).get("prompts", ""))
        if texts not in self._texts:
            self._texts[texts] = len(self._texts)
            self._commands.append(command.prompt_overrides(job))
        seed = shot.seed if shot.seed < SAFE else str(shot.seed)
        return [job.id, index.path(job), self._texts[texts], self._setting(job, index), seed, *index.digits(job)]

    def _setting(self, job: Job, index: PlanIndex) -> int:
        shot, video = job.shot, job.video
        overrides, other = index.model(job)
        key = (_HOW(shot), video, job.passes, other, *overrides)
        if key not in self._settings:
            self._settings[key] = len(self._setting_data)
            self._setting_data.append(_setting_data(job, overrides) | ({"other": True} if other else {}))
        return self._settings[key]


def _setting_data(job: Job, model: list[str]) -> dict[str, Any]:
    """The data of a setting: everything about its jobs except texts and seeds."""
    overrides = [*model, *command.settings_overrides(job)]
    about = [pair.partition("=")[::2] for pair in (*model, *command.all_settings(job))]
    out: dict[str, Any] = {
        "size": [job.size.width, job.size.height],
        "about": [[key, value.strip('"')] for key, value in about if key != "canvas"],
        "command": overrides,
        "cells": table.settings(job),
    }
    if start := given_files.start(job):
        out["start"] = start.as_posix()
    return out | ({"video": _video(job, job.video)} if job.video else {})


def _video(job: Job, video: Video) -> dict[str, Any]:
    """The length of a video, and the HTML element that shows it."""
    frames, rate = motion.played(job)
    element = CODECS[video.encoding.codec].element
    return {"frames": frames, "seconds": round(float(frames / rate), 2), "element": element, "poster": PNG}


def _labels(plan: Plan) -> list[str]:
    return list(dict.fromkeys(key for i in range(len(plan)) for key, _ in plan[i].labels))


def _listed(axis: Axis) -> dict[Parts, int]:
    """Labels of the axis' values, with their places."""
    if len(axis.values) > LISTED:
        return {}
    every = (tuple(label(k, v) for k, v in zip(axis.keys, value, strict=True)) for value in axis.values)
    return {parts: n for n, parts in enumerate(dict.fromkeys(every))}


def joined(parts: Iterable[str]) -> str:
    """The labels of one value, for users."""
    return " · ".join(parts)
