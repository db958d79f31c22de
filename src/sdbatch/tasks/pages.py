"""The tasks that show what is rendered: gallery, sheet, csv. One function per task, as in ``app``."""

from __future__ import annotations

from collections.abc import Callable

from sdbatch import files
from sdbatch.config.experiment import Experiment, ModelSettings
from sdbatch.errors import ConfigError
from sdbatch.gallery import Site, csv_text
from sdbatch.media import pdf, png
from sdbatch.models.locate import locate
from sdbatch.plan.plan import Plan
from sdbatch.store import Store
from sdbatch.tasks import contact_sheet, kept_plan
from sdbatch.tasks.rerender import JobList
from sdbatch.terminal.console import say


def sheet(experiment: Experiment) -> int:
    """A labelled contact sheet of what is rendered: outputs/<name>/sheet.png, or .pdf."""
    plan, store = _kept_or_made(experiment)
    settings = experiment.sheet
    pixels = contact_sheet.make(plan, store, settings, experiment.name)
    data = pdf.encode(pixels, experiment.name) if settings.format == "pdf" else png.encode(pixels, {}, None)
    path = store.root / f"sheet.{settings.format}"
    files.write(path, [data], path.with_name(".sheet.part"))
    say(path)
    return 0


def gallery(experiment: Experiment) -> int:
    """The page anew, every file of it looked at; without prompts, of the plan that the folder keeps."""
    site = _site(experiment)
    site.finish(rebuild=True)
    say(site.store.gallery)
    return 0


def refresh(experiment: Experiment) -> None:
    """After a task that changes records, the page of their folder says so (a task that renders does it by itself)."""
    pruned = experiment.task == "prune" and experiment.prune.apply
    if pruned or (experiment.task == "verify" and experiment.verify.repair):
        site = _site(experiment)
        if site.store.gallery.exists():
            site.finish()


def table(experiment: Experiment) -> int:
    """The records as CSV: outputs/<name>/records.csv."""
    plan, store = _kept_or_made(experiment)
    path = store.root / "records.csv"
    data = csv_text(plan, store.ledger()).encode("utf-8", "replace")
    files.write(path, [data], path.with_name(".records.part"))
    say(path)
    return 0


def _site(experiment: Experiment) -> Site:
    plan, store = _kept_or_made(experiment)
    if isinstance(plan, Plan):
        return Site(plan, store, experiment.model, plan.axes)
    return Site(plan, store, experiment.model if _is_model(experiment.model, plan) else None)


def _is_model(model: ModelSettings, plan: JobList) -> bool:
    """Whether a kept plan was made with these weights."""
    try:
        return len(plan) > 0 and locate(model).model.weights == plan[0].shot.model.weights
    except ConfigError:
        return False


def _kept_or_made(experiment: Experiment) -> tuple[Plan | JobList, Store]:
    """The experiment's plan; where only a name is given, the one that its folder keeps."""
    store = Store(experiment.folder)
    return kept_plan.plan(experiment, store), store


TASKS: dict[str, Callable[[Experiment], int]] = {"gallery": gallery, "csv": table, "sheet": sheet}
