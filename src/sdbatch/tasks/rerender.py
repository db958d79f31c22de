"""Renders jobs again into a temporary folder, for comparison by verify and reproduce. Never writes to outputs/."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.config.registry import MODEL_KINDS
from sdbatch.config.runtime import Runtime
from sdbatch.engine import portable
from sdbatch.engine.renderers import open_renderer
from sdbatch.errors import ConfigError, Interrupted, Problems
from sdbatch.models.adapters import Adapters
from sdbatch.models.locate import locate
from sdbatch.models.source import Source
from sdbatch.models.upscalers import Upscalers
from sdbatch.plan.model_axis import Locator, named
from sdbatch.plan.pictures import Pictures
from sdbatch.plan.plan import Plan as ExperimentPlan
from sdbatch.runner import run
from sdbatch.spec.file_names import is_spread, naming_of
from sdbatch.spec.inputs import pictures
from sdbatch.spec.jobs import Job, Model, Shot
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture, Profile, Renderer
from sdbatch.store import Record, Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import rendering
from sdbatch.terminal.progress import Progress


class JobList(Sequence[Job]):
    """A plan that is a list of jobs. Duplicate ids are dropped."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = {job.id: job for job in reversed(jobs)}
        self.ids = list(dict.fromkeys(job.id for job in jobs))

    @classmethod
    def named(cls, ids: Sequence[str]) -> JobList:
        """A plan with ids but without jobs, sufficient to sort records."""
        found = cls([])
        found.ids = list(ids)
        return found

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i):  # type: ignore[no-untyped-def]
        return [self._jobs[k] for k in self.ids[i]] if isinstance(i, slice) else self._jobs[self.ids[i]]


class SharedRenderer:
    """A renderer that stays open when a run is done with it."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    @property
    def profile(self) -> Profile:
        return self._renderer.profile

    @property
    def about(self) -> str:
        return self._renderer.about

    def bucket(self, shot: Shot) -> Bucket:
        return self._renderer.bucket(shot)

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        return self._renderer.render(feed)

    def close(self) -> None:
        """Does nothing: the owner of the renderer closes it."""


def as_recorded(job: Job, record: Record) -> Job:
    """``job`` with the path and the origin of its record (the prompt may have another id now)."""
    return replace(placed(job, record.path), origin=record.origin)


def placed(job: Job, path: str) -> Job:
    """``job`` with ``path`` as the path of its file."""
    slug, name = naming_of(path, job.shot.seed, job.id)
    job = replace(job, slug=slug, name=name) if slug or name else job
    return replace(job, spread=is_spread(path))


def runtime_of(profile: Profile, otherwise: Runtime) -> Runtime:
    """The runtime settings that give ``profile``; ``otherwise`` if they are not valid in this version."""
    wanted = {k: getattr(profile, k) for k in Runtime.model_fields if hasattr(profile, k)}
    wanted |= {"portable": portable.is_of(profile)}
    wanted |= {"exact": profile.exact != "not asked for", "writers": otherwise.writers}
    try:
        return Runtime(**wanted)
    except ValidationError:  # the profile of another renderer or version
        return otherwise


def open_as(recorded: Profile | None, sources: Sequence[Source], experiment: Experiment) -> Renderer:
    """A renderer with the recorded profile; on machines that cannot use it, with the experiment's settings."""
    usual, (first, *others) = experiment.runtime, sources
    try:
        runtime = runtime_of(recorded, usual) if recorded else usual
        return open_renderer(first, experiment.model, runtime, *others)
    except ConfigError:
        return open_renderer(first, experiment.model, usual, *others)


def with_adapters(
    sources: Iterable[Source], jobs: Iterable[Job], experiment: Experiment, plan: Plan | None = None
) -> list[Source]:
    """``sources`` with the files of the LoRAs, textual inversions, ControlNets and upscalers of ``jobs``: those that
    ``experiment`` and its ``plan`` name, and others by digest in the folders.

    Raises ConfigError for those that are in none of them.
    """
    jobs = list(jobs)
    adapters = Adapters(experiment.lora_folders, experiment.embedding_folders, experiment.control_folders)
    if isinstance(plan, ExperimentPlan):
        adapters.files |= plan.resolved.adapters.files
    for i, entry in enumerate(experiment.loras):
        if Path(entry.path).expanduser().is_file():
            adapters.lora(entry.path, 1.0, None, f"loras[{i}].path")
    upscalers = Upscalers(experiment.upscaler_folders, adapters.files)
    upscalers.bind_named((experiment.hires.upscaler, experiment.upscale.model))
    upscalers.bind(each.upscaler for job in jobs for each in job.passes)
    for i, each in enumerate(experiment.control):
        for net in each.net:
            if Path(net).expanduser().exists():
                adapters.net(net, f"control[{i}].net")
    shots = [job.shot for job in jobs]
    loras = dict.fromkeys(lora for shot in shots for lora in shot.model.loras)
    embeddings = dict.fromkeys(e for shot in shots for e in shot.embeddings)
    adapters.bind(loras, embeddings, (control for shot in shots for control in shot.controls))
    return [replace(source, adapters=adapters.files) for source in sources]


def inputs_of(jobs: Iterable[Job], experiment: Experiment) -> Mapping[str, Path]:
    """The files of the users' pictures of ``jobs``, by digest. Raises ConfigError for those that are not here."""
    return Pictures(experiment.input_folders).bound(p for job in jobs for p in pictures(job.shot))


def source_of(model: Model, experiment: Experiment) -> Source:
    """The location of the weights of ``model`` without its LoRAs: the configured ones, or built-in or hub weights.

    Raises ConfigError if none of them match.
    """
    model = model.plain
    given = [m.model_copy(update={"clip_skip": model.clip_skip}) for m in dict.fromkeys(named(experiment, Locator()))]
    tries = [*given, *_named(model, given[0])]
    for settings in tries:
        try:
            source = locate(settings)
        except ConfigError:
            continue
        if source.model == model:
            return source
    vae = f" and the VAE {model.vae}" if model.vae else ""
    raise ConfigError.one(
        "model",
        f"rendered with the weights {model.weights[:120]}{vae}, and model={experiment.model.kind} has others",
        "set model=local model.path=FOLDER" + (" model.vae=FILE" if vae else ""),
    )


def sources_of(plan: Plan, experiment: Experiment) -> tuple[Source, ...]:
    """The weights of the jobs of a stored plan. Raises ConfigError if none are found."""
    found: list[Source] = []
    problems = Problems()
    for model in dict.fromkeys(plan[i].shot.model.plain for i in range(len(plan))):
        with problems:
            found.append(source_of(model, experiment))
    if not found:
        raise ConfigError(problems)
    return tuple(found)


def _named(model: Model, given: ModelSettings) -> list[ModelSettings]:
    """Settings of weights that need no path: built-in ones, or a repository and commit of the hub."""
    kinds: list[dict[str, Any]] = [{"kind": name} for name, kind in MODEL_KINDS.items() if kind.builtin]
    repo, at, revision = model.weights.partition("@")
    if at and given.kind != "hub":
        kinds.append({"kind": "hub", "repo": repo, "revision": revision})
    return [given.model_copy(update={"path": None, **kind}) for kind in kinds]


@contextmanager
def rendered(
    jobs: Sequence[Job],
    renderer: Renderer,
    experiment: Experiment,
    progress: Progress | None = None,
    inputs: Mapping[str, Path] | None = None,
) -> Iterator[Store]:
    """A temporary store with ``jobs`` rendered in the order given. ``inputs``: of their users' pictures, if known.

    Raises Interrupted, and ConfigError for pictures that are not here.
    """
    found = inputs_of(jobs, experiment) if inputs is None else inputs
    options = replace(rendering.temporary(experiment, progress or Progress()), inputs=found)
    with tempfile.TemporaryDirectory(prefix="sdbatch-again-") as folder:
        store = Store(Path(folder) / "again", durable=False)
        if run(JobList(jobs), store, lambda: SharedRenderer(renderer), options).interrupted:
            raise Interrupted("interrupted; no results were kept")
        yield store
