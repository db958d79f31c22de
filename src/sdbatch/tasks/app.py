"""The composition root: one function per task, from plain data to an exit code. Knows every part, does none of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from rich.console import Console

from sdbatch.config.experiment import Experiment, schema
from sdbatch.config.validation import validate
from sdbatch.engine.renderers import check as check_runtime
from sdbatch.engine.renderers import needs_device_check, open_renderer
from sdbatch.errors import ConfigError, Problem
from sdbatch.gallery import Live, Site
from sdbatch.models.locate import Source, fetch, locate
from sdbatch.plan.axes import Axis
from sdbatch.plan.plan import Plan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Observer
from sdbatch.runner import run as run_plan
from sdbatch.store import TO_RENDER, Store
from sdbatch.store.plan_file import Plan as Jobs
from sdbatch.tasks import plan_report, rendering
from sdbatch.tasks.existing import TASKS as KEEPING
from sdbatch.tasks.final import jobs as chosen_jobs
from sdbatch.tasks.pages import TASKS as PAGES
from sdbatch.tasks.pages import refresh
from sdbatch.tasks.rerender import JobList
from sdbatch.terminal.console import open_console, say
from sdbatch.terminal.progress import Progress, open_progress


def run(data: dict[str, Any], given: Collection[str] = (), hidden: Sequence[str] = ()) -> int:
    """Validate ``data`` whole and do its task. ``given`` are the keys set on the command line, ``hidden`` files of
    the user's that built-in ones hide. Raises ConfigError before anything is written."""
    if data.get("task") == "schema":
        open_console().print_json(json.dumps(schema()), highlight=False)
        return 0
    problems = [
        Problem("", f"{path} has the name of a built-in file and would be ignored", "rename it") for path in hidden
    ]
    try:
        experiment = validate(data)
        problems += _swept_and_given(experiment, given)
    except ConfigError as e:
        raise ConfigError([*problems, *e.problems]) from e
    if problems:
        raise ConfigError(problems)
    if (whole := (KEEPING | PAGES | {"final": final}).get(experiment.task)) is not None:
        code = whole(experiment)
        refresh(experiment)
        return code
    return TASKS[experiment.task](make_plan(resolve(experiment)))


def _swept_and_given(experiment: Experiment, given: Collection[str]) -> list[Problem]:
    swept = {key: n for n, entry in enumerate(experiment.sweep) for key in entry}
    return [
        Problem(
            key,
            f"is swept by the experiment (sweep[{swept[key]}]), so a value for it would be ignored",
            "give sweep=[] too",
        )
        for key in sorted(swept.keys() & set(given))
        if "sweep" not in given
    ]


def render(plan: Plan) -> int:
    """Render what is missing."""
    return _rendered(plan.resolved.experiment, plan, plan.resolved.source, plan.axes)


def final(experiment: Experiment) -> int:
    """Chosen jobs of a draft with other settings, in a folder of their own; rendered as any other plan."""
    source = locate(experiment.model)
    plan = JobList(chosen_jobs(experiment.final, Store(experiment.folder), source))
    name = experiment.final.experiment_name(experiment.name)
    return _rendered(experiment.model_copy(update={"name": name}), plan, source)


def _rendered(experiment: Experiment, plan: Jobs, source: Source, axes: Sequence[Axis] = ()) -> int:
    """Render what is missing of ``plan`` into the experiment's folder, with its page; the exit code."""
    store, console = Store(experiment.folder), open_console(stderr=True)
    _writable(store.root)
    progress = open_progress(console, status=experiment.run_folder / "progress.json")
    source = _ready(experiment, plan, source)
    with _watched(experiment, Site(plan, store, experiment.model, axes), progress, console) as observer:
        options = replace(rendering.options(experiment, progress), observer=observer)
        outcome = run_plan(plan, store, lambda: open_renderer(source, experiment.model, experiment.runtime), options)
    return plan_report.finished(outcome, experiment, plan, open_console())


def _ready(experiment: Experiment, plan: Jobs, source: Source) -> Source:
    """The weights on this disk, and a machine that can do what is asked of it, before anything is written.

    A finished experiment needs neither.
    """
    store, special = Store(experiment.folder), needs_device_check(experiment.model, experiment.runtime)
    if not special and source.kind != "hub":
        return source
    pending = store.states(plan, store.ledger()).where(*TO_RENDER, part=experiment.shard.part(len(plan)))
    if experiment.retry != "profile" and not any(True for _ in pending):
        return source
    if special:
        check_runtime(experiment.runtime)
    return fetch(source)


@contextmanager
def _watched(experiment: Experiment, site: Site, progress: Progress, console: Console) -> Iterator[Observer]:
    """A run with its page, unless told not to. A page that cannot be written is said, never a reason to fail."""
    if not experiment.gallery.enabled:
        yield Observer()
        return
    live = Live(site, progress)
    with live.watching():
        yield live
    if live.error:
        console.print(f"the gallery could not be written: {live.error}", markup=False, highlight=False)


def show_plan(plan: Plan) -> int:
    """The dry run."""
    experiment = plan.resolved.experiment
    found = plan_report.survey(plan, Store(experiment.folder), experiment.run_folder / "timings.json")
    if experiment.plan.format == "json":
        sys.stdout.write(plan_report.as_json(found) + "\n")
    else:
        plan_report.show(found, open_console())
    if experiment.plan.preview:
        from sdbatch.preview.videos import write_previews

        for path in write_previews(plan, experiment.run_folder / "preview"):
            say(path, stderr=True)
    elif experiment.motion.mode != "still" and experiment.plan.format == "table":
        open_console(stderr=True).print("plan.preview=true draws curves and camera, without a model", highlight=False)
    return 0


TASKS: dict[str, Callable[[Plan], int]] = {"render": render, "plan": show_plan}


def _writable(folder: Path) -> None:
    """Raise ConfigError now rather than after an hour; the folder itself is not made yet."""
    try:
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        TemporaryFile(dir=there).close()  # os.access says yes to root on a read-only file system
    except OSError as e:
        why = f"{str(folder)!r} is not writable: {e.strerror}"
        raise ConfigError.one("output.folder", why, "set output.folder=…") from e
