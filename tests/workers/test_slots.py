"""Which workers a runtime asks for; cards are pretended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdbatch.config.runtime import Runtime
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError
from sdbatch.workers import assign, expected_cards, slots


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def none() -> int:
    raise AssertionError("nobody asked for cards")


def test_a_process_alone_needs_no_slots() -> None:
    assert assign(Runtime(), none) == []


@pytest.mark.parametrize(("asked", "names"), [("all", ["gpu 0", "gpu 1", "gpu 2"]), (2, ["gpu 0", "gpu 1"])])
def test_a_worker_sees_its_card_alone(asked: int | str, names: list[str]) -> None:
    found = assign(Runtime(gpus=asked, rows=8), lambda: 3)  # type: ignore[arg-type]
    assert [slot.name for slot in found] == names
    assert [slot.environment for slot in found] == [{"CUDA_VISIBLE_DEVICES": name[-1]} for name in names]
    assert all(slot.runtime == Runtime(device="cuda", rows=8) for slot in found)


def test_cards_that_are_hidden_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-8932f937")
    found = assign(Runtime(gpus="all"), lambda: 2)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == ["2", "GPU-8932f937"]


@pytest.mark.parametrize(
    ("asked", "visible", "count"),
    [
        ({}, "0,1", 1),
        ({"processes": 4}, "", 1),
        ({"gpus": 5}, "", 5),
        ({"gpus": "all"}, "2, GPU-8932f937", 2),
        ({"gpus": "all"}, "", 3),
    ],
)
def test_an_estimate_counts_cards_without_torch(
    asked: dict[str, Any], visible: str, count: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(slots, "NODES", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert expected_cards(Runtime(**asked)) == count


@pytest.mark.parametrize(
    ("asked", "there", "said"),
    [
        ("all", 0, r"runtime.gpus: all: torch finds no CUDA card .* \(use null, or runtime.processes=N"),
        (4, 2, r"runtime.gpus: 4 cards were requested; this machine has 2 \(use all, or 1–2\)"),
    ],
)
def test_cards_that_are_not_there(asked: int | str, there: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        assign(Runtime(gpus=asked), lambda: there)  # type: ignore[arg-type]


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdbatch.workers.slots._cores", lambda: 16)
    found = assign(Runtime(processes=3), none)
    assert [slot.name for slot in found] == ["worker 0", "worker 1", "worker 2"]
    assert all(slot.runtime == Runtime(workers=5) for slot in found)
    assert assign(Runtime(processes=3, workers=7), none)[0].runtime.workers == 7
    assert assign(Runtime(processes=32), none)[0].runtime.workers == 1
    assert assign(Runtime(processes=2, threads=4), none)[0].runtime.workers == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"gpus": "al"}, "runtime.gpus: 'al' is not allowed; write all, or how many: 1–64"),
        ({"gpus": 0}, "runtime.gpus: 0 is not allowed"),
        ({"gpus": True}, "runtime.gpus: true is not allowed"),
        ({"processes": 0}, "runtime.processes: 0 is out of range 1–64"),
        ({"processes": "all"}, "runtime.processes: 'all' is not allowed; write auto, or how many: 1–64"),
        ({"gpus": 2, "processes": 2}, "runtime.processes: cannot be combined with runtime.gpus"),
        ({"gpus": 2, "device": "cuda:1"}, "runtime.gpus: takes the cards of this machine, not runtime.device=cuda:1"),
        ({"device": "cuda1"}, "allowed: auto, cuda, cuda:N, mps, cpu (did you mean 'cuda'?)"),
        ({"device": "cuda:"}, "runtime.device: 'cuda:' is not allowed"),
    ],
)
def test_mistakes_are_reported_in_words(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as e:
        check(Runtime, wrong, "runtime")
    assert said in str(e.value)


def test_auto_takes_the_cards_or_groups_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdbatch.workers.slots._cores", lambda: 20)
    assert [slot.name for slot in assign(Runtime(processes="auto"), lambda: 2)] == ["gpu 0", "gpu 1"]
    found = assign(Runtime(processes="auto"), lambda: 0)
    assert [slot.runtime for slot in found] == [Runtime(workers=10)] * 2
    assert len(assign(Runtime(processes="auto", device="cpu"), none)) == 2, "cards are not asked for"
    monkeypatch.setattr("sdbatch.workers.slots._cores", lambda: 2)
    assert len(assign(Runtime(processes="auto"), lambda: 0)) == 1
