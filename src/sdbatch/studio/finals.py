"""Favourites of an experiment, rendered again with better settings: the file of a ``task=final``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.tasks import FinalSettings
from sdbatch.errors import ConfigError
from sdbatch.files import atomic, store_errors
from sdbatch.studio import yaml_text
from sdbatch.studio.describe import fields
from sdbatch.studio.form import Wanted, read
from sdbatch.studio.imports import Imports
from sdbatch.studio.workspace import Workspace, command, is_free
from sdbatch.tasks.dispatch import checked, merged
from sdbatch.tasks.workload import workload

MAX_NUMBER = 1000  # of finals of one experiment


@dataclass(frozen=True, slots=True)
class Final:
    """The experiment of a final, its text and its file."""

    experiment: Experiment
    yaml: str
    file: Path

    @property
    def command(self) -> str:
        return command(self.file)

    @property
    def name(self) -> str:
        return self.experiment.final.experiment_name(self.experiment.name)


def write(workspace: Workspace, imports: Imports, wanted: Wanted) -> Final:
    """Write the file of a final, if its jobs and keys are right. Raises ConfigError, StoreError."""
    model, weights = imports.model_of(wanted.name)
    changes = {key: _value(key, value) for key, value in wanted.set.items() if value not in (None, "")}
    if problems := list(workspace.outside({"final": {"jobs": wanted.jobs, "set": changes}})):
        raise ConfigError(problems)
    first = wanted.final or FinalSettings().experiment_name(wanted.name)
    for n in range(1, MAX_NUMBER):
        name = first if n == 1 else f"{first[: 63 - len(str(n))]}-{n}"
        own = {"task": "final", "final": {"jobs": wanted.jobs, "set": changes, "name": name}}
        own |= {"model": weights} if weights else {}
        base = workspace.base(model)
        output = {"output": {"folder": workspace.outputs}} if workspace.outputs != base["output"]["folder"] else {}
        data = {"name": wanted.name, **own, **output}
        file = workspace.folder / f"{name}.yaml"
        text = yaml_text.text(data, "" if base == workspace.base_of_environment() else model, command(file))
        if is_free(file, text):
            break
    else:
        raise ConfigError.one("final.name", f"there are {MAX_NUMBER:,} finals of this name", "choose another one")
    experiment = checked(merged(base, data))
    workload(experiment)  # reads the draft's plans
    with store_errors(file):
        atomic.write(file, [text.encode()], durable=True)
    return Final(experiment, text, file)


def _value(key: str, value: Any) -> Any:
    """A typed text as the field of ``key`` reads it; unknown keys are reported by the final itself."""
    about = fields().get(key)
    if about is None:
        return value
    try:
        found = read(about, value)
        return found[0] if key == "canvas" and isinstance(found, list) and len(found) == 1 else found
    except ValueError as e:
        raise ConfigError.one(f"final.set.{key}", str(e)) from e
