"""The registries of tasks and of model kinds: names, descriptions, and the modules that implement them.

Modules are named here and imported when they are needed, so that the configuration can list the choices without
importing what implements them. CONTRIBUTING.md has an example of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from sdbatch.config.experiment import Experiment
    from sdbatch.config.model import ModelSettings


@dataclass(frozen=True, slots=True)
class Task:
    """A value of ``task=``. ``module`` defines ``run(experiment)``, which returns the exit code and raises
    ``sdbatch.errors``. Its settings, if any, are a section in ``config.tasks`` and a key of ``Experiment``."""

    about: str
    module: str

    def run(self, experiment: Experiment) -> Any:
        run = cast("Callable[[Experiment], Any]", import_module(self.module).run)
        return run(experiment)


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A value of ``model.kind``. ``module`` defines ``locate(settings)``, which returns a ``Source``.

    ``keys`` are the ``model:`` keys that only this kind takes. ``builtin``: it needs no keys, so a file that names its
    weights is enough to find them. ``group`` is its file in conf/model/ if that has another name.
    """

    about: str
    module: str
    keys: frozenset[str] = frozenset()
    builtin: bool = False
    group: str = ""

    def locate(self, settings: ModelSettings) -> Any:
        """The ``models.source.Source`` of ``settings`` (this package is below ``models``)."""
        return import_module(self.module).locate(settings)


TASKS: dict[str, Task] = {
    "render": Task("render what is missing", "sdbatch.tasks.render"),
    "plan": Task("dry run: jobs, states, cost, long texts", "sdbatch.tasks.plan"),
    "sheet": Task("labelled contact sheet", "sdbatch.tasks.sheet"),
    "gallery": Task("rebuild index.html", "sdbatch.tasks.gallery"),
    "csv": Task("records as CSV", "sdbatch.tasks.csv"),
    "open": Task("open the gallery in the browser", "sdbatch.tasks.open"),
    "watch": Task("render again whenever a file of the experiment is saved", "sdbatch.tasks.watch"),
    "verify": Task("check files, render again and compare", "sdbatch.tasks.verify.run"),
    "reproduce": Task("render one file again from its metadata", "sdbatch.tasks.reproduce"),
    "publish": Task("results as a research object", "sdbatch.tasks.publish.run"),
    "check": Task("check a research object, and render a sample of it again", "sdbatch.tasks.check.run"),
    "final": Task("render chosen jobs with other settings", "sdbatch.tasks.final"),
    "cut": Task("videos joined, with cuts or cross-fades", "sdbatch.tasks.cut"),
    "status": Task("progress, and the state of every worker", "sdbatch.tasks.status"),
    "submit": Task("an array of SLURM jobs that render together", "sdbatch.tasks.submit"),
    "collect": Task("merge records and rebuild the gallery after array jobs", "sdbatch.tasks.collect"),
    "studio": Task("a form in the browser, with a queue and the gallery", "sdbatch.studio.task"),
    "prune": Task("remove what no plan needs", "sdbatch.tasks.prune"),
    "init": Task("files of a new project", "sdbatch.tasks.init"),
    "schema": Task("JSON Schema of experiments", "sdbatch.tasks.schema"),
}

DEFAULT_MODEL = "small"
_EMBEDDED = "sdbatch.models.kinds.embedded"
MODEL_KINDS: dict[str, ModelKind] = {
    "small": ModelKind("the embedded model of 256 x 256 pixels", _EMBEDDED, builtin=True),
    "tiny": ModelKind("the embedded model of 128 x 128 pixels: has LoRAs and a ControlNet", _EMBEDDED, builtin=True),
    "hub": ModelKind(
        "a repository at a commit", "sdbatch.models.kinds.hub", frozenset({"repo", "revision"}), group="sd15"
    ),
    "local": ModelKind("a folder or file on this machine", "sdbatch.models.kinds.local", frozenset({"path"})),
    "random_sd15": ModelKind(
        "Stable Diffusion 1.5 with random weights", "sdbatch.models.kinds.random_sd15", builtin=True
    ),
    "fake": ModelKind("coloured patterns without a model", "sdbatch.models.kinds.fake", builtin=True),
}
