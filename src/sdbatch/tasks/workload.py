"""The workload of a rendering task: a plan, its weights and its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError
from sdbatch.gallery import Site
from sdbatch.models.adapters import Adapters
from sdbatch.models.locate import fetch_all
from sdbatch.models.source import Source
from sdbatch.models.upscalers import Upscalers
from sdbatch.plan import division, drawn_seeds
from sdbatch.plan.model_axis import by_key, located
from sdbatch.plan.plan import Plan as ExperimentPlan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import estimate
from sdbatch.runner.timings import key_of
from sdbatch.spec.canonical import plan_digest
from sdbatch.store import TO_RENDER, Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import kept_plan
from sdbatch.tasks.final_jobs import final_jobs
from sdbatch.tasks.rerender import JobList, inputs_of, with_adapters


@dataclass(frozen=True, slots=True)
class Workload:
    """Render ``plan`` into the folder of ``experiment``. ``order`` is the experiment as configured.

    ``models`` are the models of its jobs, in the order of their first jobs. ``inputs`` are the files of users' pictures
    by digest; those of an experiment's plan are where it found them.
    """

    order: Experiment
    experiment: Experiment
    plan: Plan
    models: Mapping[Source, ModelSettings]
    inputs: Mapping[str, Path] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the weights are."""
        return tuple(self.models)

    @property
    def store(self) -> Store:
        return Store(self.experiment.folder)

    @property
    def site(self) -> Site:
        """The page of the folder, which also shows what earlier plans rendered."""
        experiment = self.experiment
        plan = kept_plan.whole(self.plan, self.store) if experiment.plan.earlier else self.plan
        return Site(plan, self.store, by_key(self.models), kept_plan.axes(plan), experiment.task == "watch")

    @property
    def part(self) -> Sequence[int]:
        """The positions of the jobs that are to be rendered, done or not."""
        return division.shard(self.plan, self.experiment.shard.index, self.experiment.shard.count)

    @property
    def todo(self) -> list[int]:
        """The positions of the jobs that are not done, of the part."""
        return list(self.store.states(self.plan, self.store.ledger()).where(*TO_RENDER, part=self.part))

    def fetched(self, sources: Sequence[Source]) -> list[Source]:
        """``sources`` with their local folders. Raises ConfigError."""
        adapters = self.plan.resolved.adapters if isinstance(self.plan, ExperimentPlan) else Adapters((), (), ())
        return fetch_all(sources, adapters)

    def seconds(self, todo: Sequence[int]) -> float | None:
        """The time of one process for ``todo``, at the rate of an earlier run; a final has that of its draft."""
        cost = float(division.kinds(self.plan).costs()[list(todo)].sum())
        weights = key_of(source.model.weights for source in self.sources)
        folders = (self.experiment.run_folder, self.order.run_folder)
        found = (estimate(folder / "timings.json", cost, weights) for folder in folders)
        return next((seconds for seconds in found if seconds is not None), None)

    def pending(self, todo: Sequence[int]) -> bool:
        """Whether there may be something to render: ``todo``, or with ``retry=profile`` any job."""
        return bool(self.part if self.experiment.retry == "profile" else todo)

    @property
    def first_pending(self) -> int | None:
        """The position of the first job that may have to be rendered, or None."""
        if self.experiment.retry == "profile":
            return next(iter(self.part), None)
        states = self.store.states(self.plan, self.store.ledger())
        return next(iter(states.where(*TO_RENDER, part=self.part)), None)


Check = Callable[[ExperimentPlan], None]


def workload(experiment: Experiment, check: Check = lambda plan: None) -> Workload:
    """The workload of a rendering task: the experiment's plan, or the selected jobs of ``task=final``.

    ``check`` raises ConfigError for a plan that cannot be rendered, before anything is written.
    """
    work = _final(experiment) if experiment.task == "final" else _whole(experiment, check)
    if experiment.plan.digest not in (None, plan_digest(work.plan.ids)):
        text = "this is another plan than the one that was submitted: files that it names or weights have changed"
        raise ConfigError.one("plan.digest", text, "submit it again")
    return work


def shared(experiment: Experiment) -> Workload:
    """The workload of the jobs of a cluster: ``submit.task``."""
    return workload(experiment.model_copy(update={"task": experiment.submit.task}))


def _whole(experiment: Experiment, check: Check) -> Workload:
    experiment, plan = _plan(experiment, check)
    return Workload(experiment, experiment, plan, plan.models)


def _final(experiment: Experiment) -> Workload:
    models = located(experiment)
    upscalers, draft = Upscalers(experiment.upscaler_folders, {}), Store(experiment.folder)
    jobs = final_jobs(experiment.final, draft, tuple(models), upscalers, experiment.output.names)
    chosen = JobList(jobs)
    used = {chosen[i].shot.model.plain for i in range(len(chosen))}
    name = experiment.final.experiment_name(experiment.name)
    found = with_adapters([s for s in models if s.model in used], chosen, experiment)
    inputs = inputs_of(chosen, experiment)
    return Workload(
        experiment, experiment.model_copy(update={"name": name}), chosen, {s: models[s] for s in found}, inputs
    )


def _plan(experiment: Experiment, check: Check) -> tuple[Experiment, ExperimentPlan]:
    """The experiment as the processes of this run get it, and its plan. Keeps new random seeds."""
    plan = make_plan(resolve(experiment))
    check(plan)
    if (draw := plan.resolved.draw) is None or draw.kept:
        return experiment, plan
    if experiment.new_seeds and experiment.shard.count > 1:
        raise ConfigError.one("new_seeds", "every shard would draw its own", "draw them without shards, then set false")
    drawn_seeds.keep(experiment.folder, draw, experiment.new_seeds)
    experiment = experiment.model_copy(update={"new_seeds": False})
    return experiment, make_plan(resolve(experiment))  # another process may have been first
