"""Several processes on one experiment at the same time: all end well, no job lost, no file torn."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import Child, check_whole, render, rendered, tree
from tests.faults.test_kill import IN_FLIGHT
from tests.patience import until
from tests.runner.little import still

WISH = {"stills": 60, "films": 2, "frames": 6}


@pytest.fixture
def reference(tmp_path: Path) -> dict[str, bytes]:
    render(tmp_path / "reference", **WISH)
    return tree(tmp_path / "reference")


def together(root: Path, count: int, **wish: Any) -> list[Child]:
    """So many processes that begin in the same instant."""
    begin = root.with_name("begin")
    children = [Child(root, **wish, begin=str(begin)) for _ in range(count)]
    for child in children:
        child.until("ready")
    begin.touch()
    return children


@pytest.mark.parametrize("count", [2, 3, 5])
def test_processes_that_begin_together_divide_the_work(tmp_path: Path, reference: dict[str, bytes], count: int) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    ends = [child.wait() for child in together(root, count, **WISH, delay=0.03, log=str(log))]
    assert [code for code, _ in ends] == [0] * count
    assert tree(root) == reference
    ids = rendered(log)
    assert len(ids) == len(set(ids)), "something was rendered twice"
    assert sum(said["done"] for _, said in ends) == len(check_whole(root, reference)) == 62
    assert all(said["done"] + said["skipped"] == 62 for _, said in ends)
    assert all(said["done"] for _, said in ends), "one of them did nothing"


def test_chunks_of_a_large_plan_are_divided(tmp_path: Path) -> None:
    wish = {"stills": 150, "films": 1, "guide": 20}  # chunks of seven pictures, then of fewer
    log = tmp_path / "rendered.txt"
    ends = [child.wait() for child in together(tmp_path / "x", 3, **wish, delay=0.01, log=str(log))]
    assert [code for code, _ in ends] == [0, 0, 0]
    ids = rendered(log)
    assert len(ids) == len(set(ids))
    assert sum(said["done"] for _, said in ends) == 151


def test_one_that_begins_later_takes_its_share(tmp_path: Path, reference: dict[str, bytes]) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    wish = {**WISH, "delay": 0.04, "log": str(log)}
    first = Child(root, **wish)
    first.until("open")
    time.sleep(0.5)
    second = Child(root, **wish)
    assert (first.wait()[0], second.wait()[0]) == (0, 0)
    assert tree(root) == reference
    ids = rendered(log)
    assert len(ids) == len(set(ids))


def test_what_fails_is_tried_by_one_and_reported_by_all(tmp_path: Path) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    bad = [still(3).id, still(30).id]
    wish = {"stills": 40, "delay": 0.02, "log": str(log)}
    ends = [child.wait() for child in together(root, 3, **wish, faults={"fail": bad})]
    assert [(code, said["failed"]) for code, said in ends] == [(1, 2)] * 3
    assert sorted(rendered(log)) == sorted(still(i).id for i in range(40))
    code, said = render(root, **wish)
    assert (code, said["done"], said["skipped"]) == (0, 2, 38), "the next run tries them again"


def test_one_is_interrupted_and_the_others_take_its_work(tmp_path: Path, reference: dict[str, bytes]) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    children = together(root, 3, **WISH, delay=0.04, log=str(log))
    children[0].until("open")
    time.sleep(0.5)
    children[0].signal(signal.SIGINT)
    ends = [child.wait() for child in children]
    assert [code for code, _ in ends] == [130, 0, 0]
    assert tree(root) == reference
    ids = rendered(log)
    assert len(ids) == len(set(ids)), "what it had in hand was not rendered yet"


def test_two_of_three_are_killed_and_the_third_does_it_all(tmp_path: Path, reference: dict[str, bytes]) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    children = together(root, 3, **WISH, delay=0.04, log=str(log))
    for child in children[:2]:
        child.until("open")
        time.sleep(0.3)
        assert child.kill()
    assert children[2].wait()[0] == 0
    assert tree(root) == reference
    ids = rendered(log)
    assert len(ids) - len(set(ids)) <= 2 * IN_FLIGHT


def test_workers_are_killed_again_and_again(tmp_path: Path, reference: dict[str, bytes], kills: int) -> None:
    """Three at a time on one plan; each that dies is replaced, and a plan that is done begins anew."""
    root, log, dice, left = tmp_path / "x", tmp_path / "rendered.txt", random.Random(kills), kills
    while left:
        children, deaths = together(root, 3, **WISH, delay=0.03, log=str(log)), 0
        while left and len(check_whole(root, reference)) < 50:  # of 62
            time.sleep(dice.uniform(0, 0.15))
            place = dice.randrange(len(children))
            if children[place].kill():
                left, deaths = left - 1, deaths + 1
            children[place] = Child(root, **WISH, delay=0.03, log=str(log))
        assert {child.wait()[0] for child in children} == {0}
        assert tree(root) == reference
        ids = rendered(log)
        assert len(ids) - len(set(ids)) <= deaths * IN_FLIGHT, "more was rendered twice than was in flight"
        shutil.rmtree(root)
        log.unlink()


def test_all_are_killed_and_the_next_run_continues(tmp_path: Path, reference: dict[str, bytes]) -> None:
    root = tmp_path / "x"
    children = together(root, 3, **WISH, delay=0.04)
    time.sleep(0.6)
    assert all([child.kill() for child in children])
    assert render(root, **WISH)[0] == 0
    assert tree(root) == reference


def test_shards_that_end_one_after_the_other(tmp_path: Path) -> None:
    render(tmp_path / "reference", **WISH)
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    children = [Child(root, **WISH, shard=(i, 3), delay=0.004 * i, log=str(log)) for i in range(3)]
    ends = [child.wait() for child in children]
    assert [code for code, _ in ends] == [0, 0, 0]
    done = [said["done"] for _, said in ends]
    assert sum(done) == 62
    assert min(done) >= 18, "with a video there are fewer pictures"
    assert len(rendered(log)) == len(set(rendered(log))), "no shard renders what is another's"
    assert tree(root) == tree(tmp_path / "reference")


def test_one_is_killed_and_the_other_continues(tmp_path: Path) -> None:
    render(tmp_path / "reference", **WISH)
    root = tmp_path / "x"
    first_log = tmp_path / "first.txt"
    first = Child(root, **WISH, delay=0.02, log=str(first_log))
    second = Child(root, **WISH, delay=0.02)
    second.until("open")
    until(lambda: len(rendered(first_log)) >= 8)
    assert first.kill()
    assert second.wait()[0] == 0
    assert tree(root) == tree(tmp_path / "reference")


def test_different_plans_of_one_name(tmp_path: Path) -> None:
    root = tmp_path / "x"
    children = [Child(root, stills=n, delay=0.01) for n in (20, 30)]
    assert [child.wait()[0] for child in children] == [0, 0]
    assert len(list(root.glob("images/*.png"))) == 30
    assert render(root, stills=30)[1]["skipped"] == 30


def test_a_disk_that_is_full_for_one_of_two(tmp_path: Path, reference: dict[str, bytes]) -> None:
    """One cannot write files of a usual size; the other does all the work, and nothing half is left."""
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    wish = {**WISH, "delay": 0.03, "log": str(log)}
    healthy = Child(root, **wish)
    healthy.until("computing")
    full = Child(root, **wish, file_limit=1500)
    code, said = full.wait()
    assert (code, "no space left" in said["error"]) == (1, True)
    code, said = healthy.wait()
    assert (code, said["failed"]) == (0, 0)
    assert tree(root) == reference


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off(tmp_path: Path, reference: dict[str, bytes], hours: int) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    wish = {**WISH, "delay": 0.03, "log": str(log), "begin": str(tmp_path / "begin")}
    children = [Child(root, **wish), Child(root, **wish, clock=3600 * hours)]
    for child in children:
        child.until("ready")
    (tmp_path / "begin").touch()
    ends = [child.wait() for child in children]
    assert [code for code, _ in ends] == [0, 0]
    assert all(said["done"] for _, said in ends)
    assert len(rendered(log)) == len(set(rendered(log))), "neither took the other for dead"
    assert tree(root) == reference


def test_a_plan_that_is_half_done_goes_on_with_another_number_of_shards(
    tmp_path: Path, reference: dict[str, bytes]
) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    wish = {**WISH, "delay": 0.01, "log": str(log)}
    assert render(root, **wish, shard=(1, 3))[0] == 0
    killed = Child(root, **wish, shard=(0, 3))
    killed.until("computing")
    until(lambda: len(rendered(log)) >= 30)
    assert killed.kill()
    children = [Child(root, **wish, shard=(index, 4)) for index in range(4)]
    assert [child.wait()[0] for child in children] == [0] * 4
    assert tree(root) == reference
    assert len(rendered(log)) - len(set(rendered(log))) <= IN_FLIGHT


def test_without_file_locks_nothing_is_lost(tmp_path: Path, reference: dict[str, bytes]) -> None:
    """The records stay in the files of the workers, which every reader merges, until a run with locks compacts them."""
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    ends = [child.wait() for child in together(root, 3, **WISH, delay=0.03, log=str(log), locks=False)]
    assert [code for code, _ in ends] == [0, 0, 0]
    assert len(rendered(log)) == len(set(rendered(log))), "something was rendered twice"
    assert len(check_whole(root, reference)) == 62
    assert len(list(root.glob("manifest/*.jsonl"))) == 3
    code, said = render(root, **WISH, locks=False)
    assert (code, said["skipped"]) == (0, 62)
    code, said = render(root, **WISH)
    assert (code, said["skipped"]) == (0, 62)
    assert tree(root) == reference
