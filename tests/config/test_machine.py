"""What this machine cannot do is said before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from sdbatch import cli
from sdbatch.engine import device
from sdbatch.errors import ConfigError
from sdbatch.tasks import render

COMMAND = ["name=x", "model=tiny", "prompts=[a sea]"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sdbatch"])
    return tmp_path


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine can")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("runtime.device=cuda", "cuda is not available here (use auto or cpu)"),
        ("runtime.attention=xformers", "xformers needs CUDA; the device is cpu (use sdpa)"),
        ("runtime.dtype=float16", "float16 is for GPUs; the CPU takes float32 or bfloat16 (use bfloat16)"),
    ],
)
def test_nothing_is_written(here: Path, capfd: pytest.CaptureFixture[str], asked: str, said: str) -> None:
    assert cli.run([*COMMAND, asked]) == 2
    assert f"{asked.partition('=')[0]}: {said}" in capfd.readouterr().err
    assert not (here / "outputs").exists()


def test_compile_that_does_not_work_either(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ConfigError.one("runtime.compile", "torch.compile does not work here: no compiler", "use false")

    monkeypatch.setattr(device, "check_compile", broken)
    assert cli.run([*COMMAND, "runtime.compile=true"]) == 2
    assert "no compiler (use false)" in capfd.readouterr().err
    assert not (here / "outputs").exists()


def test_a_finished_experiment_asks_nothing_of_the_machine(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(render, "needs_device_check", lambda *_: True)
    monkeypatch.setattr(render, "check_runtime", asked.append)
    for _ in range(2):
        assert cli.run(["name=x", "model=fake", "prompts=[a sea]", "canvas=[48x32]"]) == 0
        assert len(asked) == 1


def test_the_first_line_says_how_it_renders(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["name=x", "model=fake", "prompts=[a sea]", "canvas=[48x32]"]) == 0
    first, second, third, *_ = capfd.readouterr().err.splitlines()
    assert first == "x: 1 job, 1 new; loading fake"
    assert second == "fake renderer, 4 shots at a time"
    assert third.startswith("rendering 1 picture")
    assert cli.run(["name=x", "model=fake", "prompts=[a sea]", "canvas=[48x32]"]) == 0
    assert "renderer" not in capfd.readouterr().err  # nothing to render
