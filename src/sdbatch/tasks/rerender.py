"""Jobs rendered again, into a temporary place: what verify and reproduce compare with. Never writes under outputs/."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.config.registry import MODEL_KINDS
from sdbatch.config.runtime import Runtime
from sdbatch.engine.renderers import open_renderer
from sdbatch.errors import ConfigError, Interrupted
from sdbatch.models.locate import locate
from sdbatch.models.source import Source
from sdbatch.runner import run
from sdbatch.spec.file_names import slug_of
from sdbatch.spec.jobs import Job, Model, Shot
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture, Profile, Renderer
from sdbatch.store import Record, Store
from sdbatch.tasks import rendering
from sdbatch.terminal.progress import Progress


class JobList(Sequence[Job]):
    """A plan of the jobs that are in it."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = {job.id: job for job in reversed(jobs)}
        self.ids = list(dict.fromkeys(job.id for job in jobs))

    @classmethod
    def named(cls, ids: Sequence[str]) -> JobList:
        """Only the names of jobs: what putting records in order needs."""
        found = cls([])
        found.ids = list(ids)
        return found

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i):  # type: ignore[no-untyped-def]
        return [self._jobs[k] for k in self.ids[i]] if isinstance(i, slice) else self._jobs[self.ids[i]]


class _SharedRenderer:
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
        """Its owner closes it."""


def as_recorded(job: Job, record: Record) -> Job:
    """``job`` under the name that it was recorded with (a prompt may have another id by now), with its origin."""
    return replace(job, slug=slug_of(record.path) or job.slug, origin=record.origin)


def runtime_of(profile: Profile, otherwise: Runtime) -> Runtime:
    """How to render so that ``profile`` comes out again, where this machine can."""
    wanted = {k: getattr(profile, k) for k in Runtime.model_fields if hasattr(profile, k)}
    wanted |= {"exact": profile.exact != "not asked for", "writers": otherwise.writers}
    try:
        return Runtime(**wanted)
    except ValidationError:  # of another renderer or version
        return otherwise


def open_as(recorded: Profile | None, source: Source, experiment: Experiment) -> Renderer:
    """A renderer set up as recorded; as the experiment says where this machine cannot, which is another profile."""
    usual = experiment.runtime
    try:
        return open_renderer(source, experiment.model, runtime_of(recorded, usual) if recorded else usual)
    except ConfigError:
        return open_renderer(source, experiment.model, usual)


def source_of(model: Model, experiment: Experiment) -> Source:
    """Where ``model`` is on this machine: the configured weights, or ones that the file names by themselves."""
    given = experiment.model.model_copy(update={"clip_skip": model.clip_skip})
    tries = [given, *_named(model, given)]
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
        f"rendered with the weights {model.weights[:120]}{vae}, which model={experiment.model.kind} are not",
        "give theirs: model=local model.path=FOLDER" + (" model.vae=FILE" if vae else ""),
    )


def _named(model: Model, given: ModelSettings) -> list[ModelSettings]:
    """Weights that need no path: built in, or a repository and a commit of the hub."""
    kinds: list[dict[str, Any]] = [{"kind": name} for name, kind in MODEL_KINDS.items() if kind.builtin]
    repo, at, revision = model.weights.partition("@")
    if at and given.kind != "hub":
        kinds.append({"kind": "hub", "repo": repo, "revision": revision})
    return [given.model_copy(update={"path": None, **kind}) for kind in kinds]


@contextmanager
def rendered(
    jobs: Sequence[Job], renderer: Renderer, experiment: Experiment, progress: Progress | None = None
) -> Iterator[Store]:
    """A store in which ``jobs`` are rendered, in the order given; gone afterwards. Raises Interrupted."""
    options = rendering.temporary(experiment, progress or Progress())
    with tempfile.TemporaryDirectory(prefix="sdbatch-again-") as folder:
        store = Store(Path(folder) / "again", durable=False)
        if run(JobList(jobs), store, lambda: _SharedRenderer(renderer), options).interrupted:
            raise Interrupted("interrupted; nothing of it is kept")
        yield store
