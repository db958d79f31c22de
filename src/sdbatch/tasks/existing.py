"""The tasks on what is there already: verify, reproduce, prune. One function per task, as in ``app``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError, nearest
from sdbatch.models.locate import locate
from sdbatch.store import Store
from sdbatch.tasks import kept_plan, rerender, summaries
from sdbatch.terminal.console import open_console
from sdbatch.terminal.progress import Progress, open_progress


def verify(experiment: Experiment) -> int:
    """Render again and compare; without prompts, the plan that the folder keeps."""
    from sdbatch.tasks.verify.verify import Case
    from sdbatch.tasks.verify.verify import verify as check

    store, console = Store(experiment.folder), open_console(stderr=True)
    plan = kept_plan.plan(experiment, store)
    part = experiment.shard.part(len(plan))
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


def prune(experiment: Experiment) -> int:
    """What nothing wants any more: shown, and removed if told to."""
    from sdbatch.tasks import prune as task

    store, settings = Store(experiment.folder), experiment.prune
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
    "prune": prune,
}
