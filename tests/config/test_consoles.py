"""Consoles of any kind: what a run prints never decides what becomes of its pictures."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdbatch.terminal import streams
from sdbatch.terminal.console import heading, running, say
from tests.config.building import ROOT, sdbatch

FAKE = ("model=fake", "canvas=[64x64]", "gallery.enabled=false")


def out(path: Path | int, encoding: str = "utf-8") -> streams.Output:
    raw = io.FileIO(path, "w") if isinstance(path, int) else path.open("wb", buffering=0)
    made = streams.forgiving(io.TextIOWrapper(io.BufferedWriter(raw), encoding))
    assert made is not None
    return made


@pytest.mark.parametrize("encoding", ["iso-8859-1", "ascii"])
def test_letters_that_the_console_lacks_are_written_as_numbers(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(sys, "stdout", stream := out(tmp_path / "x", encoding))
    say("桜 torii")
    stream.close()
    assert (tmp_path / "x").read_text(encoding) == "\\u685c torii\n"


def test_a_plan_of_japanese_prompts_in_a_latin_locale(tmp_path):
    prompts = 'prompts=["桜 torii, 海 (sea", {id: x, text: "猫"}]'
    said = sdbatch("name=x", *FAKE, prompts, "task=plan", cwd=tmp_path, PYTHONIOENCODING="iso-8859-1")
    assert (said.returncode, said.stderr) == (0, "")
    assert "\\u685c" in said.stdout


def test_a_reader_that_has_gone_is_no_error(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    stream = out(writer)
    for _ in range(3):
        assert stream.write("x" * 100_000) == 100_000
    stream.flush()
    monkeypatch.setattr(sys, "stdout", stream)
    assert streams.lost_output() == ""
    stream.close()


def test_a_reader_that_has_gone_changes_no_exit_code(tmp_path):
    command = [sys.executable, "-m", "sdbatch", "task=plan", "prompts=[a sea]", "seeds=0..200", *FAKE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_what_cannot_be_printed_blames_no_configuration(tmp_path):
    command = [sys.executable, "-m", "sdbatch", "name=x", "prompts=[a sea]", *FAKE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert said.returncode == 1
    assert said.stderr.endswith("sdbatch: the output could not be written: No space left on device\n")
    assert "configuration" not in said.stderr
    assert len(list(tmp_path.glob("outputs/x/images/*.png"))) == 1


def test_a_file_that_a_task_cannot_read_is_named(sdbatch, monkeypatch):
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "prompts/x.csv")

    monkeypatch.setattr("sdbatch.tasks.dispatch.run", denied)
    said = sdbatch(*FAKE)
    assert (said.code, said.err.splitlines()[-1]) == (1, "sdbatch: prompts/x.csv: Permission denied")


def test_a_dry_run_writes_nothing_at_all(sdbatch, tmp_path):
    assert sdbatch("name=x", "prompts=[a sea]", *FAKE, "task=plan").code == 0
    assert sdbatch("-m", "name=x", "prompts=[a sea]", *FAKE, "task=plan", "seeds=1,2").code == 0
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_run_stands_in_its_heading():
    assert heading("x") == "x"
    with running("run 2 (seeds=1)"):
        assert heading("x") == "x, run 2 (seeds=1)"
    assert heading("x") == "x"
