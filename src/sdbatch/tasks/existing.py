"""The tasks on what is there already: verify, reproduce, final, prune. One function per task, as in ``app``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from sdbatch.config.experiment import Experiment
from sdbatch.engine.renderers import open_renderer
from sdbatch.errors import ConfigError, nearest
from sdbatch.models.locate import locate
from sdbatch.runner import Options, run
from sdbatch.store import Store
from sdbatch.tasks import kept_plan, rerender, summaries
from sdbatch.tasks.rerender import JobList
from sdbatch.terminal.console import open_console
from sdbatch.terminal.progress import Progress, open_progress


def verify(experiment: Experiment) -> int:
    """Render again and compare; without prompts, the plan that the folder keeps."""
    from sdbatch.tasks.verify.verify import Case
    from sdbatch.tasks.verify.verify import verify as check

    store, console = _store(experiment), open_console(stderr=True)
    plan = kept_plan.plan(experiment, store)
    part = range(experiment.shard.index, len(plan), experiment.shard.count)
    named = experiment.prompts or not len(plan)
    source = locate(experiment.model) if named else rerender.source_of(plan[0].shot.model, experiment)
    case = Case(plan, part, store, source, experiment)
    found = check(case, lambda: open_progress(console))
    data = {"name": experiment.name} | found.asdict()
    if experiment.verify.format == "json":
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        summaries.show_verify(found, experiment.name, open_console())
    return found.code


def reproduce(experiment: Experiment) -> int:
    """One file again, from what it says of itself."""
    from sdbatch.tasks import reproduce as task

    told = task.told(experiment)
    made = task.reproduce(experiment, told, Progress())
    summaries.show_reproduce(made, open_console())
    return made.code


def final(experiment: Experiment) -> int:
    """Chosen jobs of a draft with other settings."""
    from sdbatch.tasks import final as task

    draft, source, console = _store(experiment), locate(experiment.model), open_console(stderr=True)
    plan = JobList(task.jobs(experiment.final, draft, source))
    store = Store(draft.root.parent / experiment.final.folder(experiment.name))
    options = Options(
        writers=experiment.runtime.writers,
        metadata=experiment.output.metadata == "full",
        progress=open_progress(console, status=Path("runs") / store.root.name / "progress.json"),
    )
    outcome = run(plan, store, lambda: open_renderer(source, experiment.model, experiment.runtime), options)
    return summaries.show_final(outcome, store, open_console())


def prune(experiment: Experiment) -> int:
    """What nothing wants any more: shown, and removed if told to."""
    from sdbatch.tasks import prune as task

    store, settings = _store(experiment), experiment.prune
    if not experiment.prompts and not store.root.is_dir():
        there = [p.name for p in store.root.parent.glob("*/")]
        raise ConfigError.one("name", f"there is no {store.root}", nearest(experiment.name, there))
    plan = kept_plan.plan(experiment, store) if experiment.prompts else None
    found = task.unwanted(store, plan, settings)
    if settings.apply and found:
        task.remove(store, plan, found, settings)
    summaries.show_prune(found, store, settings.apply, open_console())
    return 0


TASKS: dict[str, Callable[[Experiment], int]] = {
    "verify": verify,
    "reproduce": reproduce,
    "final": final,
    "prune": prune,
}


def _store(experiment: Experiment) -> Store:
    return Store(Path(experiment.output.folder).expanduser() / experiment.name)
