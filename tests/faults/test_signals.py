"""Ctrl-C and SIGTERM end a run in the middle of a computation and leave nothing half; a second one ends it at once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests import patience
from tests.faults.harness import Child, check_whole, render, rendered, tree


def _wait_for(root: Path, pattern: str) -> None:
    patience.until(lambda: any(root.glob(pattern)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_long_computation_is_left_where_it_stands(tmp_path: Path, number: signal.Signals) -> None:
    child = Child(tmp_path / "x", stills=8, delay=10 * patience.SECONDS)
    child.until("computing")
    child.signal(number)
    code, said = child.wait()
    assert (code, said["interrupted"], said["left"]) == (130, True, 8)


def test_interrupted_work_continues_to_the_same_bytes(tmp_path: Path) -> None:
    wish = {"stills": 60, "films": 2, "frames": 10}
    render(tmp_path / "reference", **wish)
    reference = tree(tmp_path / "reference")
    root = tmp_path / "x"
    for pattern in ("images/*.png", "shots/*/*/*.png"):
        child = Child(root, **wish, delay=0.02)
        child.until("open")
        _wait_for(root, pattern)
        child.signal(signal.SIGINT)
        code, said = child.wait()
        assert (code, said["failed"]) == (130, 0)
        assert not list(root.rglob(".*"))
        assert len(check_whole(root, reference)) + said["left"] == 62
    code, said = render(root, **wish)
    assert code == 0
    assert tree(root) == reference


def test_an_interrupted_video_is_neither_half_nor_failed(tmp_path: Path) -> None:
    wish = {"films": 1, "frames": 300}
    root = tmp_path / "x"
    child = Child(root, **wish, read_delay=0.03)
    child.until("open")
    _wait_for(root, "videos/.*")
    child.signal(signal.SIGINT)
    code, said = child.wait()
    assert (code, said["failed"], said["left"]) == (130, 0, 1)
    assert not list(root.glob("videos/*"))
    code, said = render(root, **wish)
    assert (code, said["done"] + said["skipped"]) == (0, 1)


def test_the_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    child = Child(tmp_path / "x", stills=3, stubborn=True)
    child.until("computing")
    child.signal(signal.SIGINT)
    child.until("not interrupted")
    assert child.code() is None
    child.signal(signal.SIGINT)
    code, said = child.wait()
    assert (code, said) == (130, {})


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_draining_finishes_what_is_in_flight_and_starts_nothing_new(tmp_path: Path, number: signal.Signals) -> None:
    wish = {"stills": 60, "films": 2, "frames": 10}
    render(tmp_path / "reference", **wish)
    reference = tree(tmp_path / "reference")
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    for pattern in ("images/*.png", "shots/*/*/*.png"):
        child = Child(root, **wish, delay=0.05, log=str(log))
        child.until("open")
        _wait_for(root, pattern)
        child.signal(number)
        code, said = child.wait()
        assert (code, said["interrupted"], said["failed"]) == (130, True, 0)
        assert not list(root.rglob(".*"))
        assert len(check_whole(root, reference)) + said["left"] == 62
    code, said = render(root, **wish, log=str(log))
    assert code == 0
    assert tree(root) == reference
    assert len(rendered(log)) == len(set(rendered(log))), "what was in flight was finished, not dropped"


def test_one_that_drains_leaves_the_rest_to_the_others(tmp_path: Path) -> None:
    wish = {"stills": 40, "films": 1, "frames": 10}
    render(tmp_path / "reference", **wish)
    root = tmp_path / "x"
    children = [Child(root, **wish, delay=0.05) for _ in range(2)]
    for child in children:
        child.until("computing")
    children[0].signal(signal.SIGUSR1)
    assert [child.wait()[0] for child in children] == [130, 0]
    assert tree(root) == tree(tmp_path / "reference")


def test_ctrl_c_ends_a_drain_that_takes_long(tmp_path: Path) -> None:
    child = Child(tmp_path / "x", stills=8, delay=10 * patience.SECONDS)
    child.until("computing")
    child.signal(signal.SIGUSR1)
    # While the main thread has a signal pending, Linux gives the next one to another thread, which does not wake it.
    patience.until(lambda: not child.pending())
    child.signal(signal.SIGINT)
    code, said = child.wait()
    assert (code, said["interrupted"], said["left"]) == (130, True, 8)
