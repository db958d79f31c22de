"""Jobs of the plans stored in an experiment's folder (plan.jsonl), without the experiment's configuration."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError
from sdbatch.plan import parse, sounds
from sdbatch.plan.axes import Axis
from sdbatch.plan.plan import Plan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.plan.together import together
from sdbatch.spec.jobs import Job, Model
from sdbatch.store import Store
from sdbatch.store.plan_file import Plan as Jobs
from sdbatch.store.plan_file import id_of, kept_ids
from sdbatch.tasks.rerender import JobList, placed

MAX_LINE = 16_000_000  # bytes
MAX_TOGETHER = 20_000  # jobs of several plans; making them takes a second


def experiments(folder: Path) -> list[str]:
    """The names of the experiments in a folder of results."""
    return sorted(path.parent.name for path in folder.glob("*/plan.jsonl"))


def plan(experiment: Experiment, store: Store) -> Plan | JobList:
    """The experiment's plan; without prompts, the one stored in its folder. Raises ConfigError."""
    if experiment.has_prompts:
        return make_plan(resolve(experiment))
    if not store.plan.is_file():
        raise ConfigError.one("prompts", "is empty", f"and {store.plan} does not exist")
    return JobList(list(jobs(store.plan)))


def whole(plan: Jobs, store: Store, models: Container[Model] | None = None) -> Jobs:
    """``plan``, with the results of the folder's earlier plans behind its own jobs, and axes that tell them apart.

    ``models``: only results of these. ``plan`` itself if there are none, or too many to compare.
    """
    if len(plan) > MAX_TOGETHER:
        return plan
    ledger, own = store.ledger(), frozenset(plan.ids)
    done = {i for i in ledger if i not in own and (record := ledger.get(i)) is not None and record.done}
    if not done or len(plan) + len(done) > MAX_TOGETHER:
        return plan
    earlier: list[list[Job]] = []
    for path in sorted(plan_files(store), key=lambda p: (p.stat().st_mtime_ns, p.name)):
        found = [made for made in jobs(path, done) if models is None or made.shot.model.plain in models]
        done -= {made.id for made in found}
        earlier.append(found)
    return together([[plan[i] for i in range(len(plan))], *filter(None, earlier)]) if any(earlier) else plan


def shown(experiment: Experiment, store: Store) -> Jobs:
    """The jobs that gallery, sheet and records show: the experiment's plan, and what earlier ones rendered."""
    found = plan(experiment, store)
    return whole(found, store) if experiment.plan.earlier else found


def axes(plan: Jobs) -> Sequence[Axis]:
    """The axes of a plan; a stored plan has none, only labels."""
    return getattr(plan, "axes", ())


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
    labels = line.get("labels")
    shown = tuple((k, str(v)) for k, v in labels.items()) if isinstance(labels, dict) else ()
    return replace(placed(parse.job(line), str(line.get("path"))), labels=shown)


def heard(job: Job, store: Store) -> Job:
    """``job`` with the copy of its sound in ``store``, if it has any."""
    if job.video is None or (audio := job.video.encoding.audio) is None:
        return job
    return with_sound(job, store.sound(audio))


def with_sound(job: Job, path: Path) -> Job:
    """A video job with its sound at ``path``."""
    assert job.video is not None
    return replace(job, video=replace(job.video, encoding=sounds.found_at(job.video.encoding, str(path))))
