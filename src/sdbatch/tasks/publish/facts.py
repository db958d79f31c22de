"""What is published, as a value: the documents and the metadata are made of it alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sdbatch.config.tasks import Author, PublishSettings
from sdbatch.models.provenance import Provenance
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Profile
from sdbatch.version import __version__

ANONYMOUS = Author(name="Anonymous")


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the crate."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Result:
    """The picture or video of a job. ``sha256`` of its file; ``file`` and ``pixels`` are its record's digests."""

    id: str
    path: str
    size: int
    sha256: str
    file: str
    pixels: str
    profile: str


@dataclass(slots=True)
class Axes:
    """The values of each axis, and of settings that a caption names."""

    values: dict[str, set[str]] = field(default_factory=dict)
    settings: dict[str, set[str]] = field(default_factory=dict)

    def add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            for axis, value in job.labels:
                self.values.setdefault(axis, set()).add(value)
            shot = job.shot
            named = {
                "size": f"{job.size.width}x{job.size.height}",
                "sampler": shot.sampler,
                "steps": str(shot.steps),
                "guidance": f"{shot.guidance:g}",
            }
            for key, text in named.items():
                self.settings.setdefault(key, set()).add(text)

    @property
    def swept(self) -> dict[str, int]:
        """How many values each axis has, of those with more than one."""
        return {axis: len(values) for axis, values in self.values.items() if len(values) > 1}

    @property
    def fixed(self) -> dict[str, str]:
        """The settings with one value."""
        return {key: next(iter(values)) for key, values in self.settings.items() if len(values) == 1}


@dataclass(frozen=True, slots=True)
class Facts:
    """``jobs`` are planned, ``results`` rendered. ``again``: experiment.yaml renders the same jobs again."""

    name: str
    date: str
    settings: PublishSettings
    jobs: int
    results: list[Result]
    axes: Axes
    profiles: dict[str, Profile | None]
    weights: tuple[Provenance, ...]
    verified: dict[str, int]
    again: bool
    version: str = __version__

    @property
    def title(self) -> str:
        return self.settings.title or self.name

    @property
    def authors(self) -> tuple[Author, ...]:
        return self.settings.authors or (ANONYMOUS,)

    @property
    def description(self) -> str:
        """The user's summary, or what there is."""
        return self.settings.description or (
            f"{len(self.results):,} of {self.jobs:,} pictures and videos of the experiment {self.name}, rendered with "
            f"sdbatch {self.version}."
        )
