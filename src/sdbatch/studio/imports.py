"""Files and experiments as forms: a dropped picture or film, a YAML file, or the folder of an experiment.

Everything that is read is untrusted: readers limit sizes and validate every value. What the form cannot hold, and what
had to be assumed, is named.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.config.registry import DEFAULT_MODEL
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, shown
from sdbatch.gallery.command import job_settings
from sdbatch.models.locate import locate
from sdbatch.plan.plan import Plan
from sdbatch.plan.resolve import resolve
from sdbatch.spec.canvas import RATIOS, Size, parse
from sdbatch.spec.jobs import Job
from sdbatch.store import Store
from sdbatch.studio import describe
from sdbatch.studio.describe import dotted, fields, models
from sdbatch.studio.form import Form
from sdbatch.studio.workspace import Workspace
from sdbatch.studio.yaml_text import different
from sdbatch.tasks import kept_plan, reproduce, rerender

SUFFIXES = (".png", ".mp4", ".webm", ".json", ".yaml", ".yml")
MAX_JOBS = 5000  # of a plan without its YAML: its values are collected
MAX_VALUES = 200  # of an axis that is found this way
_AXES = ("prompts", "canvas", "seeds")


@dataclass(frozen=True, slots=True)
class Imported:
    """A form, what has to be said about it, and the id of the job if it was a file of one."""

    kind: str
    model: str
    fields: dict[str, Any]
    notes: tuple[str, ...] = ()
    id: str | None = None
    name: str = ""

    def data(self) -> dict[str, Any]:
        return {
            "error": None,
            "kind": self.kind,
            "model": self.model,
            "fields": self.fields,
            "notes": list(self.notes),
            "id": self.id,
            "name": self.name,
        }


class Imports:
    """Reads files for the form of ``workspace``; ``experiment`` is what the studio was started with."""

    def __init__(self, workspace: Workspace, experiment: Experiment) -> None:
        self._workspace = workspace
        self._experiment = experiment

    def dropped(self, name: str, data: bytes, model: str) -> Imported:
        """A dropped file. ``model`` is used if it does not name its weights. Raises ConfigError if it says nothing."""
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            raise ConfigError.one("", f"{shown(name[:100])} is not a file of these: {', '.join(SUFFIXES)}")
        with tempfile.TemporaryDirectory(prefix="sdbatch-drop-") as folder:
            path = Path(folder) / f"dropped{suffix}"
            path.write_bytes(data)
            return self.yaml(path) if suffix in (".yaml", ".yml") else self._media(path, model)

    def _media(self, path: Path, model: str) -> Imported:
        settings = check(ModelSettings, self._workspace.base(model)["model"], "model")
        wanted = self._experiment.model_copy(update={"source": str(path), "task": "reproduce", "model": settings})
        found = reproduce.read_job(wanted)
        name, more, notes = (model, {}, ()) if found.source else self._weights(found.job, wanted)
        made = self._with_ratio(self._job(found.job, name, (*found.assumed, *notes)), found.job)
        return self._compared(replace(made, fields=made.fields | more), found.job)

    def _weights(self, job: Job, wanted: Experiment) -> tuple[str, dict[str, Any], tuple[str, ...]]:
        """(name of the model, further fields, notes) for the weights that ``job`` names."""
        usual = wanted.model
        for settings in (usual, self._experiment.model):
            try:
                source = rerender.source_of(job.shot.model, wanted.model_copy(update={"model": settings}))
                break
            except ConfigError as e:
                error = e
        else:
            return self.usual, {}, tuple(map(str, error.problems))
        name = next(m["name"] for m in models() if m["kind"] == source.kind)
        repo, _, revision = job.shot.model.weights.partition("@")
        own = {"repo": repo, "revision": revision} if source.kind == "hub" else {"path": self._experiment.model.path}
        base = self._workspace.base(name)["model"]
        return name, {f"model.{k}": v for k, v in own.items() if v is not None and v != base[k]}, ()

    def _job(self, job: Job, model: str, notes: tuple[str, ...]) -> Imported:
        return replace(self._form(_readable(job), model, notes), id=job.id)

    def _with_ratio(self, made: Imported, job: Job) -> Imported:
        """``made`` with the ratio that gives its size, if there is one."""
        try:
            source = locate(check(ModelSettings, self._workspace.base(made.model)["model"], "model"))
        except ConfigError:  # it needs a path
            return made
        size = Size(job.shot.width, job.shot.height)
        same = [r for r in RATIOS if parse(r, source.native, source.model.scale) == size]
        return replace(made, fields=made.fields | {"canvas": same}) if same else made

    def _compared(self, made: Imported, job: Job) -> Imported:
        """``made``, with a note if the form does not give the file's job."""
        form = Form(kind="film" if job.video else "picture", model=made.model, fields=made.fields)
        try:
            ids = Plan(resolve(self._workspace.draft(form).experiment)).ids
        except ConfigError as e:
            return replace(made, notes=(*made.notes, *map(str, e.problems)))
        if ids == [job.id]:
            return made
        return replace(made, notes=(*made.notes, f"the form gives another job ({ids[0]}) than the file's ({job.id})"))

    @property
    def usual(self) -> str:
        """The model that the studio was started with."""
        kind = self._experiment.model.kind
        return next((str(m["name"]) for m in models() if m["kind"] == kind), DEFAULT_MODEL)

    def opened(self, name: str) -> Imported:
        """The experiment ``name``: its file, else the plan in its folder. Raises ConfigError."""
        file = self._workspace.folder / f"{name}.yaml"
        return self.yaml(file) if file.is_file() else self.folder(name)

    def yaml(self, path: Path) -> Imported:
        """An experiment file. Raises ConfigError."""
        data = self._workspace.composed([], path).data
        return self.settings(data)

    def shipped(self, name: str) -> Imported:
        """An experiment of conf/. Raises ConfigError."""
        return self.settings(self._workspace.composed([f"+experiment={name}"]).data)

    def settings(self, data: Mapping[str, Any]) -> Imported:
        """Composed data, as a form: what differs from the defaults of its model."""
        model = describe.model_named(data.get("model", {}))
        own = different(dict(data), self._workspace.base(model))
        name = str(own.pop("name", ""))
        return replace(self._form(own, model, ()), name=name)

    def _form(self, own: dict[str, Any], model: str, notes: tuple[str, ...]) -> Imported:
        """The nested keys ``own`` as fields; those without a field are named."""
        known, left = fields(), list(notes)
        found: dict[str, Any] = {}
        for key, value in dotted(own).items():
            if key in known:
                found[key] = value
            elif key not in ("task", "output.folder"):
                left.append(f"{key}: {shown(value)} is not in the form and was left out")
        _unfold_sweep(found)
        film = found.get("motion.mode", "still") != "still" or "motion.mode" in str(found.get("sweep", ""))
        return Imported("film" if film else "picture", model, found, tuple(left))

    def model_of(self, name: str) -> tuple[str, dict[str, Any]]:
        """The model of an experiment: a file of conf/model, and further ``model`` keys. Raises ConfigError."""
        made = self.opened(name)
        return made.model, {k.partition(".")[2]: v for k, v in made.fields.items() if k.startswith("model.")}

    def folder(self, name: str) -> Imported:
        """The plan that is kept in the folder of the experiment ``name``. Raises ConfigError."""
        store = Store(self._workspace.output / name)
        if not store.plan.is_file():
            raise ConfigError.one("name", f"there is no experiment {shown(name)}")
        jobs = [job for job, _ in zip(kept_plan.jobs(store.plan), range(MAX_JOBS + 1), strict=False)]
        if not jobs:
            raise ConfigError.one("name", f"the plan of {shown(name)} cannot be read")
        model, more, notes = self._weights(jobs[0], self._experiment)
        made = self._job(jobs[0], model, notes)
        return replace(_with_axes(replace(made, fields=made.fields | more), jobs), id=None, name=name)


def _readable(job: Job) -> dict[str, Any]:
    """The keys of ``job``; a prompt that is only a text as a text."""
    found = job_settings(job)
    prompts = [p["text"] if len(p) == 1 else p for p in found["prompts"]]
    return found | {"prompts": prompts}


def _unfold_sweep(found: dict[str, Any]) -> None:
    """Entries of the sweep with one key whose field can hold several values go there."""
    entries = found.get("sweep")
    if not isinstance(entries, list):
        return
    left = []
    for entry in entries:
        key = next(iter(entry)) if isinstance(entry, dict) and len(entry) == 1 else ""
        about = fields().get(key)
        if about and about.sweep and about.type in ("integer", "number", "choice", "boolean"):
            value = entry[key]
            found[key] = value if isinstance(value, str) else ", ".join(map(_typed, value))
        else:
            left.append(entry)
    found.pop("sweep")
    if left:
        found["sweep"] = left


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_axes(first: Imported, jobs: list[Job]) -> Imported:
    """The first job's form with the values of all jobs, if they are exactly all combinations."""
    flat = [dotted(_readable(job)) for job in jobs[:MAX_JOBS]]
    values: dict[str, list[Any]] = {}
    for row in flat:
        for key in row.keys() | first.fields.keys():
            seen = values.setdefault(key, [])
            value = row.get(key, fields()[key].default if key in fields() else None)
            if value not in seen and len(seen) <= MAX_VALUES:
                seen.append(value)
    several = {key: seen for key, seen in values.items() if len(seen) > 1}
    size = 1
    for seen in several.values():
        size *= len(seen)
    if size != len(jobs) or len(jobs) > MAX_JOBS:
        return replace(
            first, notes=(*first.notes, f"only the first of {len(jobs):,} jobs: they are not all combinations")
        )
    found = dict(first.fields)
    sweep: list[dict[str, Any]] = []
    for key, seen in several.items():
        if key in _AXES:
            found[key] = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in seen]
        else:
            sweep.append({key: seen})
            found.pop(key, None)
    if sweep:
        found["sweep"] = sweep
        _unfold_sweep(found)
    return replace(first, fields=found)
