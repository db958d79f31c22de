"""A video that was killed, whenever, is the video of an undisturbed run, to the bit, for every mode."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.faults.harness import Child, check_whole, render, tree
from tests.motion.videos import MOTIONS

KILLS = int(os.environ.get("SDBATCH_KILLS", "2"))  # the bar is 20


@pytest.mark.parametrize("name", MOTIONS)
def test_killed_and_started_again(tmp_path: Path, name: str) -> None:
    wish = {"motions": [name], "delay": 0.02}
    start = time.monotonic()
    code, said = render(tmp_path / "whole", **wish)
    life = time.monotonic() - start
    assert (code, said["done"]) == (0, 1)
    whole, dice, deaths = tree(tmp_path / "whole"), random.Random(name), 0
    while deaths < KILLS:
        child = Child(tmp_path / "killed", **wish)
        child.until("ready")
        time.sleep(dice.uniform(0, life))
        killed = child.kill()
        check_whole(tmp_path / "killed", whole)
        deaths += killed
        if not killed:  # it got to the end: once more from the start
            assert tree(tmp_path / "killed") == whole
            shutil.rmtree(tmp_path / "killed")
    code, _ = render(tmp_path / "killed", **wish)
    assert code == 0
    assert tree(tmp_path / "killed") == whole


def test_videos_of_all_modes_render_together_as_alone(tmp_path: Path) -> None:
    """They share the renderer; none waits for another, none knows of another."""
    code, said = render(tmp_path / "all", motions=list(MOTIONS))
    assert (code, said["done"]) == (0, len(MOTIONS))
    together = {p.name: p.read_bytes() for p in (tmp_path / "all" / "videos").iterdir()}
    for name in ("zoom", "feedback"):
        render(tmp_path / name, motions=[name])
        alone = {p.name: p.read_bytes() for p in (tmp_path / name / "videos").iterdir()}
        assert alone.items() <= together.items()
