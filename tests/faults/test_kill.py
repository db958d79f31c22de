"""SIGKILL at random moments: nothing lost, nothing half, nothing rendered twice except what was in flight."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import Child, check_whole, render, rendered, tree

IN_FLIGHT = 4 + 2 * 2 + 2 + 1  # in the renderer's hand, in the queue, in two writers, on its way to the queue


def _undisturbed(root: Path, wish: dict[str, Any]) -> dict[str, bytes]:
    code, said = render(root, **wish)
    assert code == 0, said
    return tree(root)


@pytest.mark.parametrize(
    ("share", "life", "wish"),
    [
        (0.7, 0.6, {"stills": 150, "films": 4, "frames": 12, "delay": 0.008}),
        (0.3, 0.12, {"stills": 12, "films": 1, "frames": 3}),  # most kills hit the end: records are put in order
    ],
    ids=["long", "short"],
)
def test_killed_again_and_again(tmp_path: Path, kills: int, share: float, life: float, wish: dict[str, Any]) -> None:
    reference = _undisturbed(tmp_path / "reference", wish)
    root, log = tmp_path / "killed", tmp_path / "rendered.txt"
    dice = random.Random(kills)
    left, deaths, done = max(1, round(kills * share)), 0, set[str]()
    while left:
        child = Child(root, **wish, log=str(log))
        child.until("ready")
        time.sleep(dice.uniform(0, life))
        killed = child.kill()
        left, deaths = left - killed, deaths + killed
        now = check_whole(root, reference)
        assert done <= now, "a finished job was lost"
        done = now
        if not killed and tree(root) == reference:  # it got to the end: once more from the start
            _check_log(log, deaths)
            shutil.rmtree(root)
            log.unlink()
            deaths, done = 0, set()
    code, said = render(root, **wish, log=str(log))
    assert (code, said["done"] + said["skipped"]) == (0, wish["stills"] + wish["films"])
    assert tree(root) == reference
    _check_log(log, deaths)


def _check_log(log: Path, deaths: int) -> None:
    ids = rendered(log)
    assert len(ids) - len(set(ids)) <= deaths * IN_FLIGHT


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "x"
    render(root, stills=5)
    before = tree(root)
    for path in root.rglob("*"):
        os.utime(path, (2**31, 2**31))
    code, said = render(root, stills=5)
    assert (code, said["done"], said["skipped"]) == (0, 0, 5)
    assert tree(root) == before


def test_a_manifest_with_garbage_loses_only_what_it_says(tmp_path: Path) -> None:
    root, log = tmp_path / "x", tmp_path / "rendered.txt"
    render(root, stills=6)
    before = tree(root)
    lines = (root / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    lines[2] = b'\x00\xff{"id": [}\n'
    lines[5] = lines[5][:30]
    (root / "manifest.jsonl").write_bytes(b"".join(lines))
    code, said = render(root, stills=6, log=str(log))
    assert (code, said["done"], said["skipped"]) == (0, 2, 4)
    ids = [json.loads(line)["id"] for line in before["manifest.jsonl"].splitlines()]
    assert set(rendered(log)) == {ids[2], ids[5]}
    assert tree(root) == before
