"""Jobs of the plans stored in an experiment's folder (plan.jsonl), without the experiment's configuration."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError
from sdbatch.plan import parse, sounds
from sdbatch.plan.plan import Plan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.spec.file_names import is_spread, naming_of
from sdbatch.spec.jobs import Job
from sdbatch.store import Store
from sdbatch.store.plan_file import id_of, kept_ids
from sdbatch.tasks.rerender import JobList

MAX_LINE = 16_000_000  # bytes


def plan(experiment: Experiment, store: Store) -> Plan | JobList:
    """The experiment's plan; without prompts, the one stored in its folder. Raises ConfigError."""
    if experiment.prompts:
        return make_plan(resolve(experiment))
    if not store.plan.is_file():
        raise ConfigError.one("prompts", "is empty", f"and {store.plan} does not exist")
    return JobList(list(jobs(store.plan)))


def plan_files(store: Store) -> list[Path]:
    """All stored plans, the current one first."""
    return [p for p in (store.plan, *sorted(store.root.glob("plans/*.jsonl"))) if p.is_file()]


def ids(store: Store) -> list[str]:
    """Ids of all stored plans without duplicates, those of the current plan first."""
    found: dict[str, None] = {}
    for path in plan_files(store):
        with suppress(OSError):
            found |= dict.fromkeys(kept_ids(path))
    return list(found)


def jobs(path: Path, wanted: Container[str] | None = None) -> Iterator[Job]:
    """The jobs of one stored plan, or only those with ids in ``wanted``. Damaged lines are skipped."""
    store = Store(path.parent.parent if path.parent.name == "plans" else path.parent)
    with path.open("rb") as f:
        while line := f.readline(MAX_LINE):
            job_id = id_of(line)
            if job_id and (wanted is None or job_id in wanted):
                with suppress(ValueError, RecursionError, ConfigError):
                    yield heard(job(json.loads(line)), store)


def job(line: dict[str, object]) -> Job:
    """The job of a parsed line. Raises ConfigError."""
    path = str(line.get("path"))
    made = parse.job(line)
    slug, name = naming_of(path, made.shot.seed, made.id)
    labels = line.get("labels")
    shown = tuple((k, str(v)) for k, v in labels.items()) if isinstance(labels, dict) else ()
    made = replace(made, slug=slug, name=name) if slug or name else made
    return replace(made, labels=shown, spread=is_spread(path))


def heard(job: Job, store: Store) -> Job:
    """``job`` with the copy of its sound in ``store``, if it has any."""
    if job.video is None or (audio := job.video.encoding.audio) is None:
        return job
    return with_sound(job, store.sound(audio))


def with_sound(job: Job, path: Path) -> Job:
    """A video job with its sound at ``path``."""
    assert job.video is not None
    return replace(job, video=replace(job.video, encoding=sounds.found_at(job.video.encoding, str(path))))
