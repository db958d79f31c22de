"""Workers on the CPU stand in for cards: the command line as people type it, and processes that die."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sdbatch.store import Store
from tests import patience
from tests.faults.harness import check_whole, tree
from tests.workers.conftest import FAKE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
ONE = ("name=x", *FAKE, "seeds=0..19")


@pytest.fixture
def reference(command, tmp_path: Path) -> dict[str, bytes]:
    """What one undisturbed process makes."""
    assert command(*ONE, folder="reference").wait() == 0
    return tree(tmp_path / "reference/outputs")


def test_workers_make_what_one_process_makes(command, tmp_path: Path, reference: dict[str, bytes]) -> None:
    one = command(*ONE, "runtime.processes=3", "model.fake.delay=0.02")
    assert one.wait() == 0, one.said
    assert tree(tmp_path / "one/outputs") == reference
    assert [line for line in one.said.splitlines() if "rendering" in line] == ["rendering 40 pictures for 40 jobs"]
    assert "x: 40 rendered" in one.said
    assert "40/40 pictures" in one.said
    assert sorted(p.name for p in (tmp_path / "one/runs/x").iterdir()) == ["progress.json", "timings.json"]
    status = json.loads((tmp_path / "one/runs/x/progress.json").read_text())
    assert (status["state"], status["jobs"], status["pictures"]["done"]) == (
        "ended",
        {"done": 40, "failed": 0, "total": 40},
        40,
    )
    (timing,) = json.loads((tmp_path / "one/runs/x/timings.json").read_text()).values()
    assert timing["sharing"] == 3
    again = command(*ONE, "runtime.processes=3")
    assert again.wait() == 0
    assert "x: 40 done before" in again.said
    assert "rendering" not in again.said


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_that_is_killed_loses_nothing(
    command, tmp_path: Path, reference: dict[str, bytes], count: int
) -> None:
    """A single one, too: another takes its place."""
    one = command(*ONE, f"runtime.processes={count}", "model.fake.delay=0.1")
    one.until("outputs/x/images/*.png")
    os.kill(one.children()[0], signal.SIGKILL)
    assert one.wait() == 0, one.said
    assert "died (SIGKILL): restarting it" in one.said
    assert tree(tmp_path / "one/outputs") == reference


def test_a_worker_that_dies_again_and_again_is_given_up(command, tmp_path: Path) -> None:
    one = command(*ONE, "runtime.processes=1", "model.fake.delay=1")
    killed: set[int] = set()
    while one.process.poll() is None:
        for pid in set(one.children()) - killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    assert one.wait() == 1
    assert len(killed) == 3
    assert "it died too often" in one.said
    assert "40 left; run the same command again to resume" in one.said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_all_stop_in_good_order(command, tmp_path: Path, reference: dict[str, bytes], number: signal.Signals) -> None:
    one = command(*ONE, "runtime.processes=2", "model.fake.delay=0.2")
    one.until("outputs/x/images/*.png")
    workers = one.children()
    one.process.send_signal(number)
    assert one.wait(30) == 130, one.said
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    root = tmp_path / "one/outputs/x"
    assert not list(root.rglob(".*"))
    done = check_whole(root, {k.removeprefix("x/"): v for k, v in reference.items()})
    assert f"interrupted with {40 - len(done)} left" in one.said
    assert command(*ONE).wait() == 0
    assert tree(tmp_path / "one/outputs") == reference


def test_all_drain(command, tmp_path: Path, reference: dict[str, bytes]) -> None:
    one = command(*ONE, "runtime.processes=2", "model.fake.delay=0.2")
    one.until("outputs/x/images/*.png")
    one.process.send_signal(signal.SIGUSR1)
    assert one.wait(30) == 130, one.said
    root = tmp_path / "one/outputs/x"
    assert not list(root.rglob(".*"))
    done = check_whole(root, {k.removeprefix("x/"): v for k, v in reference.items()})
    assert f"interrupted with {40 - len(done)} left" in one.said
    assert command(*ONE).wait() == 0
    assert tree(tmp_path / "one/outputs") == reference


def test_workers_without_a_supervisor_stop(command, tmp_path: Path) -> None:
    one = command(*ONE, "runtime.processes=2", "model.fake.delay=0.2")
    one.until("outputs/x/images/*.png")
    workers = one.children()
    one.process.kill()
    patience.until(lambda: not any(map(patience.runs, workers)))
    assert not list((tmp_path / "one/outputs/x").rglob(".*"))
    assert len(Store(tmp_path / "one/outputs/x").ledger()) < 40


def test_what_fails_is_the_exit_code(command) -> None:
    one = command(*ONE, "runtime.processes=2", "model.fake.fail=[hill]")
    assert one.wait() == 1
    assert "x: 20 rendered, 20 failed" in one.said
    assert one.said.count("simulated failure") >= 20


def test_what_is_wrong_is_reported_once(command, tmp_path: Path) -> None:
    one = command("name=x", "model=tiny", "prompts=[a sea]", "runtime.processes=2", "runtime.dtype=float16")
    assert one.wait() == 2, one.said
    assert one.said.count("float16 is for GPUs") == 1
    assert not (tmp_path / "one/outputs").exists()


def test_cards_without_cuda(command, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    one = command(*ONE, "runtime.gpus=all")
    assert one.wait() == 2
    assert "runtime.gpus: all: torch finds no CUDA card" in one.said
    assert not (tmp_path / "one/outputs").exists()


def test_shards_and_workers_go_together(command, tmp_path: Path, reference: dict[str, bytes]) -> None:
    for index in range(2):
        one = command(*ONE, "shard.count=2", f"shard.index={index}", "runtime.processes=2")
        assert one.wait() == 0
        assert "x: 20 rendered" in one.said
    assert tree(tmp_path / "one/outputs") == reference


def test_the_embedded_model_gives_the_same_bits(command, tmp_path: Path) -> None:
    wish = ("name=x", "model=tiny", "prompts=[a sea, a hill]", "seeds=0..2", "canvas=[64x64, 96x64]")
    wish = (*wish, "sampling.steps=3", "gallery.enabled=false", "runtime.device=cpu", "runtime.threads=1")  # type: ignore[assignment]
    assert command(*wish, folder="reference").wait() == 0
    one = command(*wish, "runtime.processes=2")
    assert one.wait() == 0, one.said
    assert tree(tmp_path / "one/outputs") == tree(tmp_path / "reference/outputs")


def test_a_multirun_on_this_machine(command, tmp_path: Path, reference: dict[str, bytes]) -> None:
    one = command("-m", *ONE[1:], "name=x,y", "+cluster=local", "runtime.processes=2")
    assert one.wait() == 0, one.said
    assert "x, run 1 (name=x): 40 rendered" in one.said
    assert "y, run 2 (name=y): 40 rendered" in one.said
    assert tree(tmp_path / "one/outputs/x") == {k.removeprefix("x/"): v for k, v in reference.items()}
