"""``task=gallery``: rebuild the page of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError, Problem, nearest
from sdbatch.gallery import Site
from sdbatch.gallery.several import Stores
from sdbatch.plan.model_axis import by_key, located
from sdbatch.plan.together import experiment as labelled
from sdbatch.plan.together import together
from sdbatch.spec.jobs import Job
from sdbatch.store import Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import kept_plan
from sdbatch.tasks.kept_plan import axes
from sdbatch.tasks.rerender import JobList
from sdbatch.terminal.console import say


def run(experiment: Experiment) -> int:
    """Rebuild the page and check all its files. Without prompts, use the plan that is stored in the folder.

    With ``gallery.of`` it is a page of these experiments, in a folder of its own.
    """
    site = _of_several(experiment) if experiment.gallery.of else _site(experiment)
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
    plan = kept_plan.shown(experiment, store)
    return Site(plan, store, known_models(experiment, plan), axes(plan))


def _of_several(experiment: Experiment) -> Site:
    """The page of several experiments. Raises ConfigError for those without results."""
    names, root = tuple(dict.fromkeys(experiment.gallery.of)), experiment.folder
    if experiment.name == Experiment.model_fields["name"].default:
        root = root.with_name("-".join(names)[:64])
    stores = {name: Store(root.parent / name) for name in names}
    known = kept_plan.experiments(root.parent)
    problems = [
        Problem("gallery.of", f"{name!r} has no results in {root.parent}/", nearest(name, known))
        for name, store in stores.items()
        if not store.plan.is_file()
    ]
    if Store(root).plan.is_file():
        problems.append(Problem("name", f"{root} has an experiment of its own", "choose another folder with name=…"))
    if problems:
        raise ConfigError(problems)
    every = [[labelled(job, name) for job in _jobs(experiment, store)] for name, store in stores.items()]
    plan = together(every)
    return Site(plan, Stores(root, names=names), known_models(experiment, plan), plan.axes)


def _jobs(experiment: Experiment, store: Store) -> Sequence[Job]:
    """The jobs of the plan that is stored in a folder, and with ``plan.earlier`` the results of earlier ones."""
    stored = JobList(list(kept_plan.jobs(store.plan)))
    plan = kept_plan.whole(stored, store) if experiment.plan.earlier else stored
    return [plan[i] for i in range(len(plan))]


def known_models(experiment: Experiment, plan: Plan) -> dict[str, ModelSettings]:
    """The settings of the models of a plan's jobs, by ``Model.key``, of those that the configuration names."""
    try:
        found = by_key(located(experiment))
    except ConfigError:
        return {}
    used = {plan[i].shot.model.key for i in range(len(plan))} if len(found) > 1 else found.keys()
    return {key: settings for key, settings in found.items() if key in used}
