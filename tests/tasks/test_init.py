"""task=init: a project that plans, renders and works with DVC as it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from sdbatch.config.experiment import schema
from sdbatch.tasks import init
from tests.config.building import sdbatch


def _project(folder: Path) -> Path:
    done = sdbatch("task=init", "init.folder=own", cwd=folder)
    assert (done.returncode, "cd own, then sdbatch +experiment=first" in done.stdout) == (0, True), done.stderr
    return folder / "own"


def test_the_project_is_planned_with_its_own_conf(tmp_path: Path) -> None:
    project = _project(tmp_path)
    assert json.loads((project / "conf/schema.json").read_text("utf-8")) == schema()
    done = sdbatch("+experiment=first", "task=plan", "plan.format=json", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "configuration: conf/ of this folder, and what is built in\n"
    plan = json.loads(done.stdout)
    assert (plan["jobs"], plan["unknown_words"]) == (24, [])
    assert sdbatch("+experiment=nope", cwd=project).stderr.count("first") == 1


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "own/conf/experiment").mkdir(parents=True)
    (tmp_path / "own/README.md").write_text("mine", "utf-8")
    (tmp_path / "own/conf/experiment/first.yaml").write_text("name: first", "utf-8")
    done = sdbatch("task=init", "init.folder=own", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "init.folder: 'own/README.md' and 1 other file of a project exist (choose another" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert sum(p.is_file() for p in (tmp_path / "own").rglob("*")) == 2


def test_a_checkout_s_conf_is_not_taken_for_the_user_s(tmp_path: Path) -> None:
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/config.yaml").write_text("name: other", "utf-8")
    done = sdbatch("model=fake", "prompts=[a sea]", "task=plan", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_dvc_renders_the_project_at_the_first_try(tmp_path: Path) -> None:
    project = _project(tmp_path)
    (project / "params.yaml").write_text(yaml.safe_dump({"model": "fake", "experiments": ["first", "second"]}), "utf-8")
    first = (project / "conf/experiment/first.yaml").read_text("utf-8")
    (project / "conf/experiment/second.yaml").write_text(first.replace("name: first", "name: second"), "utf-8")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(init.__file__).parents[2]),
        "DVC_NO_ANALYTICS": "1",
        "HOME": str(tmp_path),
    }
    dvc = [sys.executable, "-m", "dvc"]
    for command in (["git", "init", "-q"], [*dvc, "init", "-q"], [*dvc, "repro"], [*dvc, "repro"]):
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Data and pipelines are up to date" in done.stdout
    assert len(list((project / "outputs/first/images").iterdir())) == 24
    assert (project / "outputs/first/sheet.png").is_file()
    diff = subprocess.run(
        [*dvc, "metrics", "show", "--json"], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    counts = {path: shown["data"]["done"] for path, shown in json.loads(diff.stdout)[""]["data"].items()}
    assert counts == {"outputs/first.json": 24, "outputs/second.json": 24}
