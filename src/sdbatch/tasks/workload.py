"""The workload of a rendering task: a plan, its weights and its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError
from sdbatch.gallery import Site
from sdbatch.models.locate import locate
from sdbatch.models.source import Source
from sdbatch.plan import division, drawn_seeds
from sdbatch.plan.axes import Axis
from sdbatch.plan.plan import Plan as ExperimentPlan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.spec.jobs import plan_digest
from sdbatch.store import TO_RENDER, Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import kept_plan
from sdbatch.tasks.final_jobs import final_jobs
from sdbatch.tasks.rerender import JobList


@dataclass(frozen=True, slots=True)
class Workload:
    """Render ``plan`` with ``source`` into the folder of ``experiment``. ``order`` is the experiment as configured."""

    order: Experiment
    experiment: Experiment
    plan: Plan
    source: Source
    axes: Sequence[Axis] = ()

    @property
    def store(self) -> Store:
        return Store(self.experiment.folder)

    @property
    def site(self) -> Site:
        """The page of the folder, which also shows what earlier plans rendered."""
        experiment = self.experiment
        plan = kept_plan.whole(self.plan, self.store) if experiment.plan.earlier else self.plan
        axes = self.axes if plan is self.plan else kept_plan.axes(plan)
        return Site(plan, self.store, experiment.model, axes, experiment.task == "watch")

    @property
    def part(self) -> Sequence[int]:
        """The positions of the jobs that are to be rendered, done or not."""
        return division.shard(self.plan, self.experiment.shard.index, self.experiment.shard.count)

    @property
    def pending(self) -> bool:
        """Whether there may be something to render."""
        if self.experiment.retry == "profile":
            return True
        states = self.store.states(self.plan, self.store.ledger())
        return any(True for _ in states.where(*TO_RENDER, part=self.part))


def workload(experiment: Experiment) -> Workload:
    """The workload of a rendering task: the experiment's plan, or the selected jobs of ``task=final``."""
    work = _final(experiment) if experiment.task == "final" else _whole(experiment)
    if experiment.plan.digest not in (None, plan_digest(work.plan.ids)):
        text = "this is another plan than the one that was submitted: files that it names or weights have changed"
        raise ConfigError.one("plan.digest", text, "submit it again")
    return work


def shared(experiment: Experiment) -> Workload:
    """The workload of the jobs of a cluster: ``submit.task``."""
    return workload(experiment.model_copy(update={"task": experiment.submit.task}))


def _whole(experiment: Experiment) -> Workload:
    experiment, plan = _plan(experiment)
    return Workload(experiment, experiment, plan, plan.resolved.source, plan.axes)


def _final(experiment: Experiment) -> Workload:
    source = locate(experiment.model)
    chosen = JobList(final_jobs(experiment.final, Store(experiment.folder), source, experiment.output.names))
    name = experiment.final.experiment_name(experiment.name)
    return Workload(experiment, experiment.model_copy(update={"name": name}), chosen, source)


def _plan(experiment: Experiment) -> tuple[Experiment, ExperimentPlan]:
    """The experiment as the processes of this run get it, and its plan. Keeps new random seeds."""
    plan = make_plan(resolve(experiment))
    if (draw := plan.resolved.draw) is None or draw.kept:
        return experiment, plan
    if experiment.new_seeds and experiment.shard.count > 1:
        raise ConfigError.one("new_seeds", "every shard would draw its own", "draw them without shards, then set false")
    drawn_seeds.keep(experiment.folder, draw, experiment.new_seeds)
    experiment = experiment.model_copy(update={"new_seeds": False})
    return experiment, make_plan(resolve(experiment))  # another process may have been first
