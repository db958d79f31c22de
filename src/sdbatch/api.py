"""The Python API: load an experiment, plan it, render it. The ids and files are those of the command line.

    import sdbatch

    experiment = sdbatch.load("my.yaml", ["seeds=0..3"])
    plan = experiment.plan()
    for result in plan.render():
        print(result.job.id, result.path or result.error)

Nothing here imports torch before there is something to render.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from sdbatch.config.experiment import Experiment as Settings
from sdbatch.errors import ConfigError
from sdbatch.files.home import expanded
from sdbatch.runner import Observer
from sdbatch.runner.signals import SignalHandler
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Record, State, Store
from sdbatch.terminal.progress import Progress

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from sdbatch.tasks.workload import Workload


def load(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Experiment:
    """Load an experiment and validate it.

    ``source``: the path of a YAML file, the name of a shipped experiment (``"anime_zoom"``), or the keys themselves as
    a mapping. ``overrides`` are written as on the command line: ``"seeds=0..3"``, ``"model=sd15"``. Raises ConfigError
    with every mistake.
    """
    from sdbatch.config.hydra_source import compose_data
    from sdbatch.tasks.dispatch import checked, merged

    if isinstance(source, Mapping):
        composed = compose_data(overrides)
        return Experiment(checked(merged(composed.data, source), composed.given))
    file = expanded(str(source), "source")
    named = isinstance(source, str) and file.suffix not in (".yaml", ".yml")
    composed = compose_data([f"+experiment={source}", *overrides]) if named else compose_data(overrides, file)
    return Experiment(checked(composed.data, composed.given))


@dataclass(frozen=True, slots=True)
class Experiment:
    """A validated experiment. ``settings`` holds every key with its value."""

    settings: Settings

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def folder(self) -> Path:
        """Where its files go."""
        return self.settings.folder

    def plan(self) -> Plan:
        """All jobs, in order. Reads prompt files and digests weights. Raises ConfigError."""
        from sdbatch.tasks.workload import workload

        return Plan(workload(self.settings))


@dataclass(frozen=True, slots=True)
class Result:
    """A finished or failed job.

    ``path`` is its file, or None if it failed; then ``error`` says why. ``new``: rendered by this call, not before.
    """

    job: Job
    path: Path | None
    error: str = ""
    warnings: tuple[str, ...] = ()
    new: bool = True

    def image(self) -> PillowImage:
        """The picture; of a video its poster. Raises ValueError if the job failed."""
        from PIL import Image

        if self.path is None:
            raise ValueError(f"{self.job.id} failed: {self.error}")
        with Image.open(self.path if self.job.video is None else self.path.with_suffix(".png")) as image:
            return image.convert("RGB")

    def _repr_png_(self) -> bytes | None:  # Jupyter displays it
        if self.path is None:
            return None
        return (self.path if self.job.video is None else self.path.with_suffix(".png")).read_bytes()


class Plan(Sequence[Job]):
    """The jobs of an experiment, in order; made on demand."""

    def __init__(self, work: Workload) -> None:
        self._work = work

    def __len__(self) -> int:
        return len(self._work.plan)

    @overload
    def __getitem__(self, i: int) -> Job: ...
    @overload
    def __getitem__(self, i: slice) -> list[Job]: ...
    def __getitem__(self, i: int | slice) -> Job | list[Job]:
        if isinstance(i, slice):
            return [self._work.plan[k] for k in range(*i.indices(len(self)))]
        return self._work.plan[range(len(self))[i]]

    @property
    def ids(self) -> list[str]:
        return list(self._work.plan.ids)

    @property
    def store(self) -> Store:
        """The records and files of the experiment's folder."""
        return self._work.store

    def states(self) -> dict[State, int]:
        """How many jobs are in each state; reads the manifest, no pictures."""
        return self.store.states(self._work.plan, self.store.ledger()).counts

    def results(self) -> Iterator[Result]:
        """Jobs that are finished or failed already, in order. Renders nothing."""
        ledger = self.store.ledger()
        for job in self:
            record = ledger.get(job.id)
            if record is not None and (not record.done or self.store.intact(record)):
                yield self._result(job, record, new=False)

    def render(self) -> Iterator[Result]:
        """Render what is missing; yields finished jobs first, then every job as it finishes or fails.

        Rendering runs in a thread; leaving the loop stops it after the pictures in flight, and the next call resumes.
        Raises ConfigError if this machine cannot render as configured, RenderError, StoreError.
        """
        done = [r for r in self.results() if r.path is not None]
        yield from done
        places = {job_id: i for i, job_id in enumerate(self._work.plan.ids)}
        run = _Run(self._work)
        try:
            for record in run.records():
                yield self._result(self[places[record.id]], record, new=True)
        finally:
            run.stop()

    def _result(self, job: Job, record: Record, new: bool) -> Result:
        path = self.store.file(record) if record.done else None
        return Result(job, path, record.error, record.warnings, new)


class _Run(Observer):
    """One run in a thread. ``records`` yields the record of each job when it is written."""

    def __init__(self, work: Workload) -> None:
        from sdbatch.tasks.render import check_writable

        check_writable(work.store.root)
        self._work = work
        self._queue: queue.Queue[Record | BaseException | None] = queue.Queue()
        self._signals = SignalHandler()
        self._thread = threading.Thread(target=self._render, name="sdbatch", daemon=True)
        self._thread.start()

    def _render(self) -> None:
        from sdbatch.tasks.render import How, here

        try:
            here(self._work, Progress(), self, How(self._signals))
            self._queue.put(None)
        except BaseException as e:
            self._queue.put(e)

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        self._queue.put(record)

    def records(self) -> Iterator[Record]:
        while (event := self._queue.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def stop(self) -> None:
        """Stop after what is in flight, and wait for the files that are being written."""
        self._signals.stopped = True
        self._thread.join()


__all__ = ["ConfigError", "Experiment", "Plan", "Result", "load"]
