"""The composition root: one function per task, from plain data to an exit code. Knows every part, does none of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from sdbatch import report
from sdbatch.errors import ConfigError, Problem
from sdbatch.experiment import Experiment, schema
from sdbatch.plan import Plan
from sdbatch.plan import plan as make_plan
from sdbatch.proof import kept
from sdbatch.proof.again import Listed
from sdbatch.proof.tasks import TASKS as KEEPING
from sdbatch.renderers import open_renderer
from sdbatch.resolve import resolve
from sdbatch.runner import Options
from sdbatch.store import Store
from sdbatch.validation import validate


def run(data: dict[str, Any], given: Collection[str] = (), hidden: Sequence[str] = ()) -> int:
    """Validate ``data`` whole and do its task. ``given`` are the keys set on the command line, ``hidden`` files of
    the user's that built-in ones hide. Raises ConfigError before anything is written."""
    if data.get("task") == "schema":
        Console(soft_wrap=True).print_json(json.dumps(schema()), highlight=False)
        return 0
    problems = [
        Problem("", f"{path} has the name of a built-in file and would be ignored", "rename it") for path in hidden
    ]
    try:
        experiment = validate(data)
        problems += _swept_and_given(experiment, given)
    except ConfigError as e:
        raise ConfigError([*problems, *e.problems]) from e
    if problems:
        raise ConfigError(problems)
    if (whole := (KEEPING | PAGES).get(experiment.task)) is not None:
        return whole(experiment)
    return TASKS[experiment.task](make_plan(resolve(experiment)))


def _swept_and_given(experiment: Experiment, given: Collection[str]) -> list[Problem]:
    swept = {key: n for n, entry in enumerate(experiment.sweep) for key in entry}
    return [
        Problem(
            key,
            f"is swept by the experiment (sweep[{swept[key]}]), so a value for it would be ignored",
            "give sweep=[] too",
        )
        for key in sorted(swept.keys() & set(given))
        if "sweep" not in given
    ]


def render(plan: Plan) -> int:
    """Render what is missing."""
    from sdbatch.progress import open_progress
    from sdbatch.runner import run as run_plan

    experiment, store, console = plan.resolved.experiment, _store(plan), Console(stderr=True)
    _writable(store.root)
    options = Options(
        writers=experiment.runtime.writers,
        retry=experiment.retry,
        shard=(experiment.shard.index, experiment.shard.count),
        metadata=experiment.output.metadata == "full",
        progress=open_progress(console, status=_runs(plan) / "progress.json"),
        timings=_runs(plan) / "timings.json",
    )
    source = plan.resolved.source
    with _watched(plan, store, options, console) as options:
        outcome = run_plan(plan, store, lambda: open_renderer(source, experiment.model, experiment.runtime), options)
    return report.finished(outcome, plan, store, Console())


@contextmanager
def _watched(plan: Plan, store: Store, options: Options, console: Console) -> Iterator[Options]:
    """A run with its page, unless told not to. A page that cannot be written is said, never a reason to fail."""
    from sdbatch.gallery import Live, Site

    experiment = plan.resolved.experiment
    if not experiment.gallery.enabled:
        yield options
        return
    live = Live(Site(plan, store, experiment.model, plan.axes), options.progress)
    with live.watching():
        yield replace(options, observer=live)
    if live.trouble:
        console.print(f"the gallery could not be written: {live.trouble}", markup=False, highlight=False)


def show_plan(plan: Plan) -> int:
    """The dry run."""
    found = report.survey(plan, _store(plan), _runs(plan) / "timings.json")
    if plan.resolved.experiment.plan.format == "json":
        sys.stdout.write(report.as_json(found) + "\n")
    else:
        report.show(found, Console())
    if plan.resolved.experiment.plan.preview:
        from sdbatch.media.rehearsal import rehearse

        for path in rehearse(plan, _runs(plan) / "preview"):
            Console(stderr=True).print(str(path), markup=False, highlight=False, soft_wrap=True)
    return 0


def sheet(plan: Plan) -> int:
    """A labelled contact sheet of what is rendered: outputs/<name>/sheet.png."""
    from sdbatch import contact
    from sdbatch.media import png
    from sdbatch.store import files

    store = _store(plan)
    pixels = contact.make(plan, store)
    path = store.root / "sheet.png"
    files.write(path, [png.encode(pixels, {}, None)], path.with_name(".sheet.part"))
    Console().print(str(path), markup=False, highlight=False, soft_wrap=True)
    return 0


def gallery(experiment: Experiment) -> int:
    """The page anew, every file of it looked at; without prompts, of the plan that the folder keeps."""
    from sdbatch.gallery import Site

    plan, store = _kept_or_made(experiment)
    Site(plan, store, experiment.model, plan.axes if isinstance(plan, Plan) else ()).finish(rebuild=True)
    Console().print(str(store.gallery), markup=False, highlight=False, soft_wrap=True)
    return 0


def table(experiment: Experiment) -> int:
    """The records as CSV: outputs/<name>/records.csv."""
    from sdbatch.gallery import csv_text
    from sdbatch.store import files

    plan, store = _kept_or_made(experiment)
    path = store.root / "records.csv"
    data = csv_text(plan, store.ledger()).encode("utf-8", "replace")
    files.write(path, [data], path.with_name(".records.part"))
    Console().print(str(path), markup=False, highlight=False, soft_wrap=True)
    return 0


def _kept_or_made(experiment: Experiment) -> tuple[Plan | Listed, Store]:
    """The experiment's plan; where only a name is given, the one that its folder keeps."""
    store = Store(Path(experiment.output.folder).expanduser() / experiment.name)
    if experiment.prompts:
        return make_plan(resolve(experiment)), store
    if not store.plan.is_file():
        raise ConfigError.one("prompts", "is empty", f"and {store.plan} does not exist")
    return Listed(list(kept.jobs(store.plan))), store


PAGES: dict[str, Callable[[Experiment], int]] = {"gallery": gallery, "csv": table}
TASKS: dict[str, Callable[[Plan], int]] = {"render": render, "plan": show_plan, "sheet": sheet}


def _store(plan: Plan) -> Store:
    experiment = plan.resolved.experiment
    return Store(Path(experiment.output.folder).expanduser() / experiment.name)


def _runs(plan: Plan) -> Path:
    return Path("runs") / plan.resolved.experiment.name


def _writable(folder: Path) -> None:
    """Raise ConfigError now rather than after an hour; the folder itself is not made yet."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        raise ConfigError.one("output.folder", f"{str(there)!r} is a file", "give a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError.one("output.folder", f"{str(there)!r} is not writable", "set output.folder=…")
