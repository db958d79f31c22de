"""Several processes on one experiment at the same time: all end well, no job lost, no file torn."""

from __future__ import annotations

from pathlib import Path

from tests.faults.harness import Child, check_whole, render, rendered, tree
from tests.patience import until

WISH = {"stills": 60, "films": 2, "frames": 6}


def test_two_processes_on_one_plan(tmp_path: Path) -> None:
    render(tmp_path / "reference", **WISH)
    reference = tree(tmp_path / "reference")
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    children = [Child(root, **WISH, delay=0.05, log=str(log)) for _ in range(2)]
    ends = [child.wait() for child in children]
    assert [code for code, _ in ends] == [0, 0]
    assert tree(root) == reference
    assert len(check_whole(root, reference)) == 62
    assert len(rendered(log)) < 1.8 * len(set(rendered(log))), "they should share the work"


def test_shards_that_end_one_after_the_other(tmp_path: Path) -> None:
    render(tmp_path / "reference", **WISH)
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    children = [Child(root, **WISH, shard=(i, 3), delay=0.004 * i, log=str(log)) for i in range(3)]
    ends = [child.wait() for child in children]
    assert [code for code, _ in ends] == [0, 0, 0]
    assert [said["done"] for _, said in ends] == [21, 21, 20]
    assert len(rendered(log)) == len(set(rendered(log))), "no shard renders what is another's"
    assert tree(root) == tree(tmp_path / "reference")


def test_one_is_killed_and_the_other_goes_on(tmp_path: Path) -> None:
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
