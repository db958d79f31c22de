"""``task=gallery``: rebuild the page of an experiment."""

from __future__ import annotations

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError
from sdbatch.gallery import Site
from sdbatch.models.locate import locate
from sdbatch.plan.plan import Plan
from sdbatch.store import Store
from sdbatch.tasks import kept_plan
from sdbatch.tasks.rerender import JobList
from sdbatch.terminal.console import say


def run(experiment: Experiment) -> int:
    """Rebuild the page and check all its files. Without prompts, use the plan that is stored in the folder."""
    site = _site(experiment)
    site.finish(rebuild=True)
    say(site.store.gallery)
    return 0


def refresh(experiment: Experiment) -> None:
    """Update an existing page after a task that changed records."""
    site = _site(experiment)
    if site.store.gallery.exists():
        site.finish()


def _site(experiment: Experiment) -> Site:
    store = Store(experiment.folder)
    plan = kept_plan.plan(experiment, store)
    if isinstance(plan, Plan):
        return Site(plan, store, experiment.model, plan.axes)
    return Site(plan, store, experiment.model if _is_model(experiment.model, plan) else None)


def _is_model(model: ModelSettings, plan: JobList) -> bool:
    """Whether a stored plan was made with these weights."""
    try:
        return len(plan) > 0 and locate(model).model.weights == plan[0].shot.model.weights
    except ConfigError:
        return False
