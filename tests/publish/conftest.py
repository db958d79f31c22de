"""A small experiment of the fake model, rendered and published once for all tests: with pictures, and with digests."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdbatch.config.hydra_source import compose_data
from sdbatch.tasks import dispatch

FILES = {
    "little.yaml": """\
name: little
prompts: ["a {red|green} torii gate", {file: more.csv}, "__colours__ boat"]
seeds: random*2
canvas: ["48x32"]
sampling: {steps: 4}
styles: {file: styles.csv, use: [calm]}
negative: clouds
model: {kind: fake}
""",
    "more.csv": "id,text,negative\nlight,a lighthouse,fog\n",
    "styles.csv": "name,prompt,negative_prompt\ncalm,{prompt} at dawn,people\n",
    "wildcards/colours.txt": "blue\nwhite\n",
}
AUTHORS = [{"name": "Ada Lovelace", "orcid": "0000-0002-1825-0097", "affiliation": "Analytical Society"}, "A Group"]
MORE = {"authors": AUTHORS, "licence": "CC-BY-4.0", "title": "Torii at dawn", "date": "2026-11-28"}


def run(*overrides: str, **sections: dict[str, Any]) -> int:
    """A task with the experiment little.yaml of the working folder, in this process."""
    composed = compose_data(list(overrides), Path("little.yaml"))
    data = composed.data | {key: composed.data[key] | value for key, value in sections.items()}
    return int(dispatch.run(data, composed.given, (), composed.written))


def check(source: Path, **settings: Any) -> int:
    """``task=check`` in this process."""
    return int(dispatch.run({"task": "check", "source": str(source), "check": settings}))


@contextmanager
def working(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder: rendered; publish/ with pictures, digests/ without. Tests do not change it."""
    root = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, "utf-8")
    with working(root):
        assert run() == 0
        assert run("task=publish", publish=MORE) == 0
        assert run("task=publish", publish=MORE | {"pictures": "digests", "folder": "digests"}) == 0
    return root


@pytest.fixture
def crate(project: Path, tmp_path: Path) -> Path:
    """A copy of the published folder, to change."""
    return Path(shutil.copytree(project / "publish" / "little", tmp_path / "crate"))


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """``report(source)``: the exit code and the JSON of ``task=check``."""

    def checked(source: Path, **settings: Any) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = check(source, format="json", **settings)
        return code, json.loads(capsys.readouterr().out)

    return checked
