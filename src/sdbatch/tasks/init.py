"""``task=init``: write the files of a new project into a folder: an experiment, prompts, DVC stages, a README."""

from __future__ import annotations

import json
from pathlib import Path

from sdbatch.config.experiment import Experiment, schema
from sdbatch.errors import ConfigError
from sdbatch.files import atomic, make_folder, store_errors
from sdbatch.terminal.console import say

TEMPLATE = Path(__file__).parent / "project"
# Packaging tools skip hidden files, and DVC runs every dvc.yaml of a checkout.
NAMES = {"gitignore": ".gitignore", "dvcignore": ".dvcignore", "pipeline.yaml": "dvc.yaml"}


def run(experiment: Experiment) -> int:
    """Write the project. Raises ConfigError, before anything is written, if one of its files exists."""
    folder, files = Path(experiment.init.folder).expanduser(), contents()
    if there := [name for name in files if (folder / name).exists()]:
        more = len(there) - 1
        others = f" and {more} other file{'s' * (more > 1)} of a project exist" if more else " exists"
        hint = "choose another folder with init.folder=…"
        raise ConfigError.one("init.folder", f"{str(folder / there[0])!r}{others}", hint)
    for name, data in files.items():
        make_folder((folder / name).parent)
        with store_errors(folder / name):
            atomic.write(folder / name, [data])
    change = "" if folder == Path() else f"cd {folder}, then "
    say(f"{folder / 'README.md'}: {len(files)} files written; {change}sdbatch +experiment=first")
    return 0


def contents() -> dict[str, bytes]:
    """The files of a project: path relative to its folder, and content."""
    found = {p.relative_to(TEMPLATE).as_posix(): p.read_bytes() for p in sorted(TEMPLATE.rglob("*")) if p.is_file()}
    schema_file = {"conf/schema.json": f"{json.dumps(schema(), indent=2)}\n".encode()}
    return {NAMES.get(name, name): data for name, data in (found | schema_file).items()}
