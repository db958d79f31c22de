"""``-m``: an interrupt stops all runs, the worst code is that of the command, and messages name their run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import IO

import pytest

from sdbatch.tasks import dispatch
from tests.config.building import ROOT, sdbatch
from tests.patience import until

FAKE = ("model=fake", "prompts=[a sea]", "canvas=[64x64]", "gallery.enabled=false")
SLOW = (*FAKE, "model.fake.delay=0.3", "seeds=0..29")
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def interrupted(*arguments: str, cwd: Path) -> tuple[int, str, int]:
    """Ctrl-C, to the whole process group as a terminal does it, after the first picture: the code, all that was said,
    and the number of pictures at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "sdbatch", "-m", *arguments]
    log: IO[str]
    with (cwd / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log, start_new_session=True)
        until(lambda: any(cwd.glob("outputs/*/images/*.png")) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(60)
        log.seek(0)
        return code, log.read(), len(list(cwd.glob("outputs/*/images/*.png")))


@pytest.mark.parametrize(
    ("runs", "name"),
    [
        (["sampling.steps=3,4,5"], "run 1 (sampling.steps=3)"),
        (["shard.index=0,1,2", "shard.count=3"], "run 1 (shard.index=0)"),
    ],
)
def test_an_interrupt_stops_all_runs(tmp_path, runs, name):
    code, said, pictures = interrupted(*SLOW, *runs, cwd=tmp_path)
    assert code == 130
    assert f"untitled, {name}: " in said
    assert "run 2" not in said
    assert "the following runs were not started" in said
    assert pictures < (30 if "steps" in runs[0] else 10)
    assert "Traceback" not in said


def test_an_interrupt_stops_the_processes_of_a_launcher(tmp_path):
    code, said, pictures = interrupted(*SLOW, "name=a,b,c", *JOBLIB, cwd=tmp_path)
    assert code == 130, said
    assert pictures < 60
    assert not (tmp_path / "outputs/c").exists()
    assert "Traceback" not in said


def test_the_worst_code_of_other_processes_wins(tmp_path):
    said = sdbatch("-m", *FAKE, "name=a", "sampling.steps=4,0,5", *JOBLIB, cwd=tmp_path)
    assert said.returncode == 2
    assert "run 2 (sampling.steps=0): the configuration is wrong" in said.stderr
    assert "a, run 3 (sampling.steps=5): 1 rendered" in said.stdout
    assert len(list(tmp_path.glob("outputs/a/images/*.png"))) == 2


@pytest.mark.parametrize("number", [1, 2])
def test_after_an_interrupted_run_none_starts(number, sdbatch, monkeypatch):
    codes = iter([0] * (number - 1) + [130])
    monkeypatch.setattr(dispatch, "run", lambda *_: next(codes))
    assert sdbatch("-m", *FAKE, "name=a,b,c").code == 130
    assert next(codes, None) is None


def test_the_worst_code_is_that_of_the_command(sdbatch, monkeypatch):
    codes = iter([1, 3, 0])
    monkeypatch.setattr(dispatch, "run", lambda *_: next(codes))
    assert sdbatch("-m", *FAKE, "name=a,b,c").code == 3


def test_a_launcher_whose_process_dies_is_one_line(sdbatch, monkeypatch):
    def killed(*_: object) -> int:
        raise BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr(dispatch, "run", killed)
    said = sdbatch("-m", *FAKE, "name=a,b")
    assert said.code == 1
    assert "sdbatch: a process of the launcher died (killed, or out of memory?); run the same command" in said.err
