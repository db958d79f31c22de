"""The composition root: one function per task, from plain data to an exit code. Knows every part, does none of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sdbatch import report
from sdbatch.errors import ConfigError, Problem
from sdbatch.experiment import Experiment, schema
from sdbatch.plan import Plan
from sdbatch.plan import plan as make_plan
from sdbatch.render import Renderer
from sdbatch.resolve import resolve
from sdbatch.store import Store
from sdbatch.validation import validate
from sdbatch.weights import fetch


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
    from sdbatch.runner import Options
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
    outcome = run_plan(plan, store, lambda: _renderer(plan), options)
    return report.finished(outcome, plan, store, Console())


def _renderer(plan: Plan) -> Renderer:
    experiment, source = plan.resolved.experiment, plan.resolved.source
    if source.kind == "fake":
        from sdbatch.fake import FakeRenderer, Faults

        settings = experiment.model.fake.model_dump()
        return FakeRenderer(settings.pop("delay"), Faults(**settings))
    from sdbatch import engine

    return engine.open(fetch(source), experiment.runtime)


def show_plan(plan: Plan) -> int:
    """The dry run."""
    found = report.survey(plan, _store(plan), _runs(plan) / "timings.json")
    if plan.resolved.experiment.plan.format == "json":
        sys.stdout.write(report.as_json(found) + "\n")
    else:
        report.show(found, Console())
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
