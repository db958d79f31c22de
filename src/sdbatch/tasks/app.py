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
from sdbatch.engine.renderers import cards, needs_device_check, open_renderer
from sdbatch.engine.renderers import check as check_runtime
from sdbatch.errors import ConfigError, Problem
from sdbatch.models.locate import Source, fetch
from sdbatch.plan.plan import Plan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Options, Outcome
from sdbatch.store import State, Store
from sdbatch.tasks import plan_report
from sdbatch.tasks.existing import TASKS as KEEPING
from sdbatch.tasks.pages import TASKS as PAGES
from sdbatch.tasks.pages import refresh
from sdbatch.terminal.console import open_console, say
from sdbatch.terminal.progress import Progress
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
    if (whole := (KEEPING | PAGES).get(experiment.task)) is not None:
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
    """Render what is missing, here or in worker processes."""
    from sdbatch.terminal.progress import open_progress

    _writable(_store(plan).root)
    runtime = plan.resolved.experiment.runtime
    progress = open_progress(open_console(stderr=True), status=_runs(plan) / "progress.json")
    if (runtime.gpus is None and runtime.processes is None) or not _pending(plan):
        return plan_report.finished(_rendered(plan, progress), plan, _store(plan), open_console())
    return _together(plan, assign(runtime, cards), progress)


def work() -> int:
    """A worker: render the order that comes on standard input, as far as others leave it to us."""
    order, progress = receive()
    plan = make_plan(resolve(validate({**order["experiment"], "runtime": order["runtime"]})))
    if plan.digest != order["plan"]:
        raise ConfigError.one("", "prompt files or weights have changed since this run began", "run again")
    return plan_report.code(_rendered(plan, progress))


def _together(plan: Plan, places: Sequence[Slot], progress: Progress) -> int:
    """Render with a worker on each of ``places``."""
    experiment, store = plan.resolved.experiment, _store(plan)
    fetch(plan.resolved.source)  # once, not once a worker
    order = {"experiment": experiment.model_dump(mode="json", exclude_defaults=True), "plan": plan.digest}
    supervisor = Supervisor(places, order, progress)
    worst = supervisor.run()
    if worst == 2:  # said by the workers, and nothing else happened
        return worst
    outcome = _became(plan, progress, supervisor.stopped)
    return max(worst, plan_report.finished(outcome, plan, store, open_console()))


def _became(plan: Plan, progress: Progress, stopped: bool) -> Outcome:
    """What workers made of ``plan``, by the records."""
    store, part = _store(plan), plan.shard()
    states = store.states(plan, ledger := store.ledger())
    failed = [plan.ids[i] for i in states.where(State.FAILED, part=part)]
    left = sum(1 for _ in states.where(State.NEW, State.STALE, part=part))
    done = progress.done
    errors = tuple((i, r.error) for i in failed[: plan_report.SHOWN] if (r := ledger.get(i)) is not None)
    skipped = len(part) - done - len(failed) - left
    return Outcome(done, skipped, len(failed), left, stopped and left > 0, errors=errors, garbage=ledger.garbage)


def _rendered(plan: Plan, progress: Progress) -> Outcome:
    """Render in this process."""
    from sdbatch.runner import run as run_plan

    experiment, store, console = plan.resolved.experiment, _store(plan), open_console(stderr=True)
    options = Options(
        writers=experiment.runtime.writers,
        retry=experiment.retry,
        shard=(experiment.shard.index, experiment.shard.count),
        metadata=experiment.output.metadata == "full",
        frames=experiment.output.frames,
        progress=progress,
        timings=_runs(plan) / "timings.json",
    )
    source = _ready(plan)
    with _watched(plan, store, options, console) as options:
        return run_plan(plan, store, lambda: open_renderer(source, experiment.model, experiment.runtime), options)


def _ready(plan: Plan) -> Source:
    """The weights on this disk, and a machine that can do what is asked of it, before anything is written.

    A finished experiment needs neither.
    """
    source, experiment = plan.resolved.source, plan.resolved.experiment
    special = needs_device_check(experiment.model, experiment.runtime)
    if (not special and source.kind != "hub") or not _pending(plan):
        return source
    if special:
        check_runtime(experiment.runtime)
    return fetch(source)


def _pending(plan: Plan) -> bool:
    """Whether there may be something to render."""
    if plan.resolved.experiment.retry == "profile":
        return True
    store = _store(plan)
    return any(True for _ in store.states(plan, store.ledger()).where(*plan_report.TO_RENDER, part=plan.shard()))


@contextmanager
def _watched(plan: Plan, store: Store, options: Options, console: Console) -> Iterator[Options]:
    """A run with its page, unless told not to. A page that cannot be written is said, never a reason to fail."""
    from sdbatch.gallery import Live, Site

    experiment = plan.resolved.experiment
    if not experiment.gallery.enabled:
        yield options
        return
    live = Live(Site(plan, store, experiment.model, plan.axes), options.progress)
    with live.watching():
        yield replace(options, observer=live)
    if live.error:
        console.print(f"the gallery could not be written: {live.error}", markup=False, highlight=False)


def show_plan(plan: Plan) -> int:
    """The dry run."""
    found = plan_report.survey(plan, _store(plan), _runs(plan) / "timings.json")
    experiment = plan.resolved.experiment
    if experiment.plan.format == "json":
        sys.stdout.write(plan_report.as_json(found) + "\n")
    else:
        plan_report.show(found, open_console())
    if experiment.plan.preview:
        from sdbatch.preview.videos import write_previews

        for path in write_previews(plan, _runs(plan) / "preview"):
            say(path, stderr=True)
    elif experiment.motion.mode != "still" and experiment.plan.format == "table":
        open_console(stderr=True).print("plan.preview=true draws curves and camera, without a model", highlight=False)
    return 0


TASKS: dict[str, Callable[[Plan], int]] = {"render": render, "plan": show_plan}


def _store(plan: Plan) -> Store:
    experiment = plan.resolved.experiment
    return Store(Path(experiment.output.folder).expanduser() / experiment.name)


def _runs(plan: Plan) -> Path:
    return Path("runs") / plan.resolved.experiment.name


def _writable(folder: Path) -> None:
    """Raise ConfigError now rather than after an hour; the folder itself is not made yet."""
    try:
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        TemporaryFile(dir=there).close()  # os.access says yes to root on a read-only file system
    except OSError as e:
        why = f"{str(folder)!r} is not writable: {e.strerror}"
        raise ConfigError.one("output.folder", why, "set output.folder=…") from e
