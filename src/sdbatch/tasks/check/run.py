"""``task=check``: checks a research object and prints the report."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError, nearest
from sdbatch.files import archive, store_errors
from sdbatch.tasks.check import integrity
from sdbatch.tasks.check.again import rendered_again
from sdbatch.tasks.check.crate import unpacked
from sdbatch.tasks.check.report import Checked, show
from sdbatch.tasks.publish.layout import METADATA
from sdbatch.terminal.console import open_console
from sdbatch.terminal.progress import open_progress

KEY = "source"


def run(experiment: Experiment) -> int:
    """Check the folder or ZIP ``source``; the exit code. Writes nothing but a temporary folder."""
    checked = check(experiment, _source(experiment))
    if experiment.check.format == "json":
        sys.stdout.write(json.dumps(checked.asdict(), indent=2, ensure_ascii=False) + "\n")
    else:
        show(checked, open_console())
    return checked.code


def check(experiment: Experiment, path: Path) -> Checked:
    """All results. Raises ConfigError for what is not a research object, Interrupted."""
    checked = Checked(path.name)
    try:
        with archive.opened(path) as crate, tempfile.TemporaryDirectory(prefix="sdbatch-check-") as folder:
            if METADATA not in crate.sizes:
                raise ConfigError.one(KEY, f"{path.name!r} contains no {METADATA}", "task=publish writes one")
            checked.sha256 = "" if path.is_dir() else archive.listed(path)[1]
            checked.files = len(crate.sizes)
            checked.findings = integrity.findings(crate)
            checked.signatures, unfit = integrity.signatures(crate)
            checked.findings += unfit
            with store_errors(Path(folder)):
                held = unpacked(crate, Path(folder) / "crate")
                if not checked.findings:
                    checked.findings = held.findings()
                checked.jobs, checked.recorded, checked.pictures = len(held.ids), len(held.done), held.pictures
                checked.failed = len(held.records) - len(held.done)
                checked.weights = held.weights
                checked.again = rendered_again(held, experiment, lambda: open_progress(open_console(stderr=True)))
    except ValueError as e:
        raise ConfigError.one(KEY, f"{path.name!r}: {e}") from e
    return checked


def _source(experiment: Experiment) -> Path:
    if experiment.source is None:
        raise ConfigError.one(KEY, "is missing", "name what task=publish has written: task=check source=name.zip")
    path = Path(experiment.source).expanduser()
    try:
        exists = path.is_file() or path.is_dir()
    except (OSError, ValueError):
        exists = False
    if not exists:
        beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise ConfigError.one(KEY, f"{experiment.source!r} does not exist", nearest(path.name, beside))
    return path
