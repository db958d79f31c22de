"""``task=render``: render the missing jobs, in this process or in worker processes. Also used by ``task=final``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

from rich.console import Console

from sdbatch.config.experiment import Experiment
from sdbatch.config.validation import validate
from sdbatch.engine.renderers import OpenRenderer, cards, needs_device_check, open_renderer
from sdbatch.engine.renderers import check as check_runtime
from sdbatch.errors import ConfigError
from sdbatch.gallery import Live
from sdbatch.models.locate import fetch_all
from sdbatch.models.source import Source
from sdbatch.plan.plan import Plan
from sdbatch.runner import Observer, Observers, Outcome
from sdbatch.runner import run as run_plan
from sdbatch.runner.signals import SignalHandler
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.renderer import Renderer
from sdbatch.tasks import rendering
from sdbatch.tasks.plan_table import show_notes
from sdbatch.tasks.run_summary import begun, code, finished, outcome
from sdbatch.tasks.workload import Workload, workload
from sdbatch.terminal.console import open_console
from sdbatch.terminal.progress import Progress, open_progress
from sdbatch.workers import Slot, Supervisor, assign, receive


def run(experiment: Experiment) -> int:
    """Render the missing jobs of the experiment's plan; the exit code."""
    return render(workload(experiment, before_drawing))


def before_drawing(plan: Plan) -> None:
    """Look for what would stop a run after it has kept its random seeds. Raises ConfigError."""
    if (draw := plan.resolved.draw) is None or draw.kept:
        return
    runtime, sources = plan.resolved.experiment.runtime, list(plan.models)
    workers = runtime.gpus is not None or runtime.processes is not None
    if not workers and needs_device_check(sources[0], runtime):
        check_runtime(runtime)
    fetch_all(sources, plan.resolved.adapters)


def render(work: Workload) -> int:
    """Render the missing jobs, in this process or in worker processes; the exit code."""
    runtime = work.experiment.runtime
    check_writable(work.store.root)
    progress = open_progress(open_console(stderr=True), status=work.experiment.run_folder / "progress.json")
    todo = work.todo
    if pending := work.pending(todo):
        progress.say(begun(work, todo))
        if isinstance(work.plan, Plan):
            show_notes(work.plan.notes, open_console(stderr=True))
    if (runtime.gpus is None and runtime.processes is None) or not pending:
        return finished(here(work, progress), work.experiment, work.plan, open_console(), progress.elapsed)
    return _in_workers(work, assign(runtime, cards), progress)


@dataclass(frozen=True, slots=True)
class How:
    """``signals`` stops the run; None: a handler of Ctrl-C and SIGTERM. ``sharing``: processes that use the device.
    ``opened`` opens the renderer, if one is needed."""

    signals: SignalHandler | None = None
    sharing: int = 1
    opened: OpenRenderer = open_renderer


def here(work: Workload, progress: Progress, watcher: Observer | None = None, how: How | None = None) -> Outcome:
    """Render in this process. ``watcher`` is notified of every record."""
    how = how or How()
    experiment, (first, *others) = work.experiment, _ready(work)
    with _watched(work, progress, open_console(stderr=True)) as observer:
        both = Observers(observer, watcher or Observer())
        options = replace(
            rendering.options(experiment, progress),
            observer=both,
            signals=how.signals,
            sharing=how.sharing,
            inputs=work.inputs,
        )

        def opened() -> Renderer:
            return how.opened(first, experiment.model, experiment.runtime, *others)

        return run_plan(work.plan, work.store, opened, options)


def _in_workers(work: Workload, slots: Sequence[Slot], progress: Progress) -> int:
    """Render with one worker process per slot; the exit code."""
    work.fetched(work.sources)  # once, not once per worker
    order = {
        "experiment": work.order.model_dump(mode="json", exclude_defaults=True),
        "plan": plan_digest(work.plan.ids),
        "sharing": 1 if work.experiment.runtime.gpus is not None else len(slots),
    }
    supervisor = Supervisor(slots, order, progress)
    exit_code = supervisor.run()
    if exit_code == 2:  # the workers have reported it, and rendered nothing
        return exit_code
    found = outcome(work, progress.done, supervisor.stopped)
    return max(exit_code, finished(found, work.experiment, work.plan, open_console(), progress.elapsed))


def work() -> int:
    """Run a worker process: render its part of the order that is read from standard input; the exit code."""
    order, progress = receive()
    found = workload(validate({**order["experiment"], "runtime": order["runtime"]}))
    if plan_digest(found.plan.ids) != order["plan"]:
        raise ConfigError.one("", "prompt files or weights have changed since this run began", "run again")
    return code(here(found, progress, how=How(sharing=order["sharing"])))


def _ready(work: Workload) -> list[Source]:
    """Download the weights and check the device, before anything is written; the model to begin with comes first.

    Raises ConfigError. A finished experiment needs neither.
    """
    sources = list(work.sources)
    special = needs_device_check(sources[0], work.experiment.runtime)
    if not (special or len(sources) > 1 or sources[0].remote) or (first := work.first_pending) is None:
        return sources
    if special:
        check_runtime(work.experiment.runtime)
    model = work.plan[first].shot.model
    return work.fetched(sorted(sources, key=lambda source: source.model != model))


@contextmanager
def _watched(work: Workload, progress: Progress, console: Console) -> Iterator[Observer]:
    """The observer that keeps the page up to date, if enabled. Errors of the page are reported, not raised."""
    if not work.experiment.gallery.enabled:
        yield Observer()
        return
    live = Live(lambda: work.site, progress)
    with live.watching():
        yield live
    if live.error:
        console.print(f"the gallery could not be written: {live.error}", markup=False, highlight=False)


def check_writable(folder: Path) -> None:
    """Raise ConfigError if ``folder`` cannot be written. Does not create it."""
    try:
        existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        TemporaryFile(dir=existing).close()  # os.access is true for root on a read-only file system
    except OSError as e:
        why = f"{str(folder)!r} is not writable: {e.strerror}"
        raise ConfigError.one("output.folder", why, "set output.folder=…") from e
