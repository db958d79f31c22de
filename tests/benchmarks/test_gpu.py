"""The GPU benchmark on a CPU: every stage in rehearsal, and what becomes of stages that fail, hang or do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import command, others, stages, worker
from benchmarks.gpu.setting import REHEARSAL, Bench
from benchmarks.gpu.stages import STAGES, Stage
from tests import patience

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="rehearses on a CPU")
ROOT = Path(__file__).parents[2]
MACHINE = {"type": "cuda", "name": "a card", "torch": "2.13"}
SPEED = {"pictures", "seconds", "pictures_per_second"}
RUN = SPEED | {"rows_used_of_paid", "calls", "parts", "opening", "exact"}
CALL = {"alone", "host", "stream"}
KEYS: dict[str, set[str]] = {
    "device": {"matmul_tflops", "copy_gb_per_second", "visible"},
    "flags": {"settings", "products", "profile", "verdict", "opening"},
    "calls": {"4 rows", "2 rows"},
    "calls_mode_b": {"4 rows", "2 rows"},
    "bits": {"shapes", "vae"},
    "vae": {"batch 1", "batch 2", "again_in_float32"},
    "pictures": RUN,
    "kernels": {"denoiser, 4 rows", "vae, batch 1", "run"},
    "compile": RUN | {"compile", "rows", "call", "bits", "another_bucket_seconds", "another_bucket_bits"},
    "diffusers": {"settings", "batch 2", "one by one"},
    "diffusers_compiled": {"settings", "batch 2", "with_compiling_seconds"},
    "diffusers_mixed": {"settings", "mixed"},
    "chain": {"shots", "seconds", "calls", "milliseconds_per_call", "rows_used_of_paid"},
    "mixed": RUN,
    "attention": {f"{n} to {k}, {w} wide" for n, w in ((256, 40), (64, 80), (16, 160)) for k in (n, 77)},
    "graph": {"4 rows", "2 rows"},
    "inexact": RUN | {"rows", "call"},
    **{f"card_{gb}gb": {"gigabytes", "rows", "seconds", "limited"} for gb in (8, 6, 4)},
}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """One engine for all stages. Other tests share the process, so torch's threads are restored."""
    threads = torch.get_num_threads()
    yield Bench(REHEARSAL)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def found(bench: Bench) -> Callable[[str], dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = {}

    def run(name: str) -> dict[str, Any]:
        if name not in kept:
            kept[name] = worker.run(STAGES[name], bench)
        return kept[name]

    return run


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' schedulers and NumPy 2
@pytest.mark.parametrize("name", STAGES)
def test_every_stage_can_be_rehearsed(found: Callable[[str], dict[str, Any]], name: str, tmp_path: Path) -> None:
    record = found(name)
    assert record["status"] == "done", record["trace"]
    assert record["result"].keys() == KEYS[name]
    worker.write(tmp_path, record)
    read = json.loads((tmp_path / f"{name}.json").read_text())
    assert {"stage", "seconds", "machine", "clock", "setting", "environment"} < read.keys()
    assert {"name", "torch", "diffusers"} < read["machine"].keys()
    assert STAGES[name].about


def test_bits_are_looked_at_in_every_bucket(found: Callable[[str], dict[str, Any]]) -> None:
    result = found("bits")["result"]
    assert {s["verdict"] for s in result["shapes"].values()} == {"exact"}
    assert result["shapes"].keys() == {"16x16", "9x13"}
    assert result["vae"]["slot_and_neighbours_change_bytes"] == 0


def test_a_chain_asks_for_its_shots_one_after_the_other(found: Callable[[str], dict[str, Any]]) -> None:
    result = found("chain")["result"]
    assert result["shots"] == REHEARSAL.chain
    assert result["calls"] == 3  # two steps, then one of two that are left by the strength
    assert result["rows_used_of_paid"] <= 2 / 4


def test_single_calls_are_timed(found: Callable[[str], dict[str, Any]]) -> None:
    for name in ("calls", "vae"):
        for times in found(name)["result"].values():
            assert times.keys() == CALL
            assert all(t > 0 for t in times.values())


def test_the_reference_is_called_as_well_as_it_can_be(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole batches, and the whole sweep."""
    calls: list[tuple[int, int]] = []

    def grouped(_: Any, shots: list[Any], batch: int) -> float:
        calls.append((len(shots), batch))
        return 1.0

    monkeypatch.setattr(others.reference, "grouped", grouped)
    monkeypatch.setattr(others, "_pipe", lambda *_, **__: None)
    assert others.compiled(bench)["batch 2"]["pictures_per_second"] == 4.0
    assert calls == [(2, 2), (4, 2)]


# ---- the command


def failing(_: Bench) -> dict[str, Any]:
    """Fails."""
    raise ValueError("broken on purpose")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    """A stage whose function is given instead of looked up."""

    def make(function: Callable[[Bench], Any], name: str = "made", seconds: int = 1) -> Stage:
        monkeypatch.setattr(stages.Stage, "_resolved", lambda self: FUNCTIONS[self.function])
        FUNCTIONS[name] = function
        return Stage(name, name, seconds)

    return make


FUNCTIONS: dict[str, Callable[[Bench], Any]] = {}


class Here:
    """Runs stages in this process instead of one of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.began: list[str] = []

    def __call__(self, stage: Stage, limit: float) -> str:
        self.began.append(stage.name)
        worker.write(self._folder, worker.run(stage, Bench(REHEARSAL)))
        return "ended"


def read(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"{name}.json").read_text()))


def test_a_stage_that_fails_stops_no_other(made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = [made(failing, "first"), made(lambda _: {"answer": 1}, "second")]
    assert command.run(both, tmp_path, command.Budget(60), Here(tmp_path), MACHINE) == command.FAILED
    first = read(tmp_path, "first")
    assert (first["status"], first["error"]) == ("failed", "ValueError: broken on purpose")
    assert "in failing" in first["trace"]
    assert read(tmp_path, "second")["result"] == {"answer": 1}
    assert "failed: ValueError: broken on purpose" in capsys.readouterr().out


def test_a_stage_that_does_not_fit_is_skipped_in_words(
    made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, *[30.0] * 10])
    budget = command.Budget(100, now=lambda: next(clock))
    long, short = made(lambda _: {}, "long", 71), made(lambda _: {}, "short", 70)
    process = Here(tmp_path)
    assert command.run([long, short], tmp_path, budget, process, MACHINE) == command.ALL_WELL
    assert process.began == ["short"]
    skipped = read(tmp_path, "long")
    assert (skipped["status"], skipped["reason"]) == ("skipped", "skipped: needs about 71 s, 70 s left")
    assert skipped["machine"] == MACHINE
    assert "needs about 71 s, 70 s left" in capsys.readouterr().out


def test_a_skipped_stage_keeps_its_earlier_result(made: Any, tmp_path: Path) -> None:
    stage = made(lambda _: {"answer": 1}, seconds=10)
    assert command.run([stage], tmp_path, command.Budget(60), Here(tmp_path), MACHINE) == command.ALL_WELL
    assert command.run([stage], tmp_path, command.Budget(5), Here(tmp_path), MACHINE) == command.ALL_WELL
    assert read(tmp_path, "made")["result"] == {"answer": 1}


def test_an_earlier_result_is_not_taken_for_the_one_of_a_process_that_died(made: Any, tmp_path: Path) -> None:
    stage = made(lambda _: {"answer": 1})
    command.run([stage], tmp_path, command.Budget(60), Here(tmp_path), MACHINE)
    code = command.run([stage], tmp_path, command.Budget(60), lambda *_: "ended with -9", MACHINE)
    assert (code, read(tmp_path, "made")["error"]) == (command.FAILED, "ended with -9")


def test_a_slower_card_has_more_time() -> None:
    budget = command.Budget(1000, slower=4, now=lambda: 0.0)
    stage = Stage("x", "x:y", 100)
    assert budget.limit(stage) == 1000
    assert budget.refusal(stage) is None
    assert budget.refusal(Stage("x", "x:y", 251)) == "skipped: needs about 1004 s, 1000 s left"
    assert command.Budget(1000, now=lambda: 0.0).limit(stage) == 300


def test_a_stage_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage's process is a stand-in that starts another one and waits."""
    note = tmp_path / "child"
    stand_in = tmp_path / "python"
    stand_in.write_text(f'#!/bin/sh\nsleep 60 &\necho $! > "{note}.part"; mv "{note}.part" "{note}"\nwait\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(command.sys, "executable", str(stand_in))
    end = command.Process(tmp_path, rehearse=True)(STAGES["device"], 2.0)
    assert end == "ended after 2 s"
    child = int(note.read_text())
    patience.until(lambda: not patience.runs(child))


def test_the_command_runs_a_stage_in_a_process_of_its_own(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "benchmarks", "gpu", "device", "--rehearse", "--out", str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path, "device")["status"] == "done"
    assert str(tmp_path) in done.stdout


def test_without_a_gpu_it_says_how_to_rehearse(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_machine", lambda: {"type": "cpu", "name": "a processor", "torch": "2.13.0+cpu"})
    assert command.main(["device"]) == command.NO_GPU
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        "benchmarks gpu: torch 2.13.0+cpu finds no CUDA device here; try --rehearse\n",
    )


def test_the_list_names_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == list(STAGES)


def test_a_folder_is_named_after_the_card() -> None:
    assert command._slug("NVIDIA H100 80GB HBM3") == "nvidia-h100-80gb-hbm3"
