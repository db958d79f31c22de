"""Tasks that start other processes, run inside this one, so that coverage sees them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from sdbatch import cli
from tests.tasks import fake_slurm

HERE = Path(__file__).parents[2]
JOBS = ("model=fake", "name=x", "prompts=[a sea, a hill]", "seeds=0..3", "canvas=[64x64]", "gallery.enabled=false")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a stand-in for SLURM."""
    for name, value in fake_slurm.install(tmp_path / "slurm", 1001).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", f"{HERE / 'src'}{os.pathsep}{HERE}")
    monkeypatch.delenv("SDBATCH_MODEL", raising=False)
    monkeypatch.setattr(sys, "argv", ["sdbatch"])
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def images(folder: Path) -> int:
    return len(list((folder / "outputs/x/images").glob("*.png")))


def test_submitted_jobs_are_waited_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*JOBS, "task=submit", "submit.workers=2", "submit.wait=true"]) == 0
    assert images(folder) == 8
    said = capfd.readouterr()
    assert "x: 8 rendered" in said.out, said
    assert cli.run([*JOBS, "task=submit", "submit.workers=2", "submit.wait=true"]) == 0
    assert "x: nothing to do" in capfd.readouterr().out


def test_a_submission_without_a_rate_asks_for_the_number_of_workers(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*JOBS, "task=submit"]) == 2
    assert "submit.workers" in capfd.readouterr().err
    assert cli.run([*JOBS, "task=submit", "submit.workers=3", "submit.dry=true"]) == 0
    assert "--array=0-2" in capfd.readouterr().out
    assert not (folder / "outputs").exists()


def test_worker_processes_render_the_plan_and_the_status_is_told(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*JOBS, "runtime.processes=2"]) == 0
    assert images(folder) == 8
    capfd.readouterr()
    assert cli.run([*JOBS, "task=status", "status.format=json"]) == 0
    assert json.loads(capfd.readouterr().out)["jobs"]["done"] == 8
    assert cli.run([*JOBS, "task=status", "status.follow=true"]) == 0
    assert "8" in capfd.readouterr().out
