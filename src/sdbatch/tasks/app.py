"""The composition root: one function per task, from plain data to an exit code. Knows every part, does none of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from rich.console import Console

from sdbatch.config.experiment import Experiment, schema
from sdbatch.config.validation import validate
from sdbatch.engine.renderers import cards, needs_device_check, open_renderer
from sdbatch.engine.renderers import check as check_runtime
from sdbatch.errors import ConfigError, Problem
from sdbatch.gallery import Live, Site
from sdbatch.models.locate import Source, fetch, locate
from sdbatch.plan.axes import Axis
from sdbatch.plan.plan import Plan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Observer, Outcome
from sdbatch.runner import run as run_plan
from sdbatch.spec.jobs import plan_digest
from sdbatch.store import TO_RENDER, State, Store
from sdbatch.store.plan_file import Plan as Jobs
from sdbatch.tasks import plan_report, rendering
from sdbatch.tasks.existing import TASKS as KEEPING
from sdbatch.tasks.final import jobs as chosen_jobs
from sdbatch.tasks.pages import TASKS as PAGES
from sdbatch.tasks.pages import refresh
from sdbatch.tasks.rerender import JobList
from sdbatch.terminal.console import open_console, say
from sdbatch.terminal.progress import Progress, open_progress
from sdbatch.workers import Slot, Supervisor, assign, receive


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
    return _rendered(_workload(plan.resolved.experiment))


def final(experiment: Experiment) -> int:
    """Chosen jobs of a draft with other settings, in a folder of their own; rendered as any other plan."""
    return _rendered(_workload(experiment))


@dataclass(frozen=True, slots=True)
class Workload:
    """What a task renders: ``plan`` into the folder of ``experiment``. ``order`` is the experiment as configured."""

    order: Experiment
    experiment: Experiment
    plan: Jobs
    source: Source
    axes: Sequence[Axis] = ()

    @property
    def store(self) -> Store:
        return Store(self.experiment.folder)

    @property
    def pending(self) -> bool:
        """Whether there may be something to render."""
        if self.experiment.retry == "profile":
            return True
        part = self.experiment.shard.part(len(self.plan))
        states = self.store.states(self.plan, self.store.ledger())
        return any(True for _ in states.where(*TO_RENDER, part=part))


def _workload(experiment: Experiment) -> Workload:
    """The plan of a rendering task: the experiment's own, or the chosen jobs of ``task=final``."""
    if experiment.task != "final":
        plan = make_plan(resolve(experiment))
        return Workload(experiment, experiment, plan, plan.resolved.source, plan.axes)
    source = locate(experiment.model)
    chosen = JobList(chosen_jobs(experiment.final, Store(experiment.folder), source))
    name = experiment.final.experiment_name(experiment.name)
    return Workload(experiment, experiment.model_copy(update={"name": name}), chosen, source)


def _rendered(work: Workload) -> int:
    """Render what is missing, in this process or in worker processes; the exit code."""
    runtime = work.experiment.runtime
    _writable(work.store.root)
    progress = open_progress(open_console(stderr=True), status=work.experiment.run_folder / "progress.json")
    if (runtime.gpus is None and runtime.processes is None) or not work.pending:
        return plan_report.finished(_here(work, progress), work.experiment, work.plan, open_console())
    return _together(work, assign(runtime, cards), progress)


def _here(work: Workload, progress: Progress) -> Outcome:
    """Render in this process."""
    experiment, source = work.experiment, _ready(work)
    site = Site(work.plan, work.store, experiment.model, work.axes)
    with _watched(experiment, site, progress, open_console(stderr=True)) as observer:
        options = replace(rendering.options(experiment, progress), observer=observer)
        return run_plan(
            work.plan, work.store, lambda: open_renderer(source, experiment.model, experiment.runtime), options
        )


def _together(work: Workload, slots: Sequence[Slot], progress: Progress) -> int:
    """Render with one worker process on each of ``slots``."""
    fetch(work.source)  # once, not once per worker
    order = {
        "experiment": work.order.model_dump(mode="json", exclude_defaults=True),
        "plan": plan_digest(work.plan.ids),
    }
    supervisor = Supervisor(slots, order, progress)
    worst = supervisor.run()
    if worst == 2:  # the workers have reported it, and rendered nothing
        return worst
    outcome = _outcome(work, progress, supervisor.stopped)
    return max(worst, plan_report.finished(outcome, work.experiment, work.plan, open_console()))


def _outcome(work: Workload, progress: Progress, stopped: bool) -> Outcome:
    """What the workers made of the plan, by the records."""
    store, part = work.store, work.experiment.shard.part(len(work.plan))
    states = store.states(work.plan, ledger := store.ledger())
    failed = [work.plan.ids[i] for i in states.where(State.FAILED, part=part)]
    left = sum(1 for _ in states.where(State.NEW, State.STALE, part=part))
    errors = tuple((i, r.error) for i in failed[: plan_report.SHOWN] if (r := ledger.get(i)) is not None)
    skipped = len(part) - progress.done - len(failed) - left
    return Outcome(
        progress.done, skipped, len(failed), left, stopped and left > 0, errors=errors, garbage=ledger.garbage
    )


def work() -> int:
    """A worker process: render the order on standard input, as far as the other workers leave it."""
    order, progress = receive()
    found = _workload(validate({**order["experiment"], "runtime": order["runtime"]}))
    if plan_digest(found.plan.ids) != order["plan"]:
        raise ConfigError.one("", "prompt files or weights have changed since this run began", "run again")
    return plan_report.code(_here(found, progress))


def _ready(work: Workload) -> Source:
    """The weights on this disk, and a machine that can do what is asked of it, before anything is written.

    A finished experiment needs neither.
    """
    special = needs_device_check(work.experiment.model, work.experiment.runtime)
    if (not special and work.source.kind != "hub") or not work.pending:
        return work.source
    if special:
        check_runtime(work.experiment.runtime)
    return fetch(work.source)


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
