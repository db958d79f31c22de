"""The embedded model itself: killed, gone on with, and bit-equal in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdbatch.weights import SHIPPED

COMMAND = [
    *(sys.executable, "-m", "sdbatch", "name=embedded", "model=tiny", "gallery.enabled=false"),
    *("prompts=[a red torii gate,a lighthouse]", "canvas=[64x64]", "sampling.steps=3", "seeds=0..2"),
]
FILM = ["motion.mode=feedback", "motion.frames=5", "motion.cadence=2", "seeds=9", "prompts=[a lighthouse]"]

pytestmark = pytest.mark.skipif(not (SHIPPED / "tiny/unet").is_dir(), reason="the embedded weights are not here")


def _start(folder: Path, *more: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SDBATCH")}
    return subprocess.Popen([*COMMAND, *more], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def _run(folder: Path, *more: str) -> tuple[int, str]:
    process = _start(folder, *more)
    out, _ = process.communicate(timeout=300)
    return process.returncode, out


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("outputs/**/*") if p.is_file()}


def test_killed_resumed_and_verified(tmp_path: Path) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    assert _run(calm)[0] == 0
    for pictures in (1, 3):
        process = _start(killed)
        while process.poll() is None and len(list(killed.glob("outputs/embedded/images/[!.]*"))) < pictures:
            time.sleep(0.01)
        process.kill()
        process.communicate()
    assert _run(killed)[0] == 0
    assert _tree(killed) == _tree(calm)
    code, out = _run(killed, "task=verify", "verify.format=json", "verify.sample=3")
    assert (code, json.loads(out)["counts"]["bit_equal"]) == (0, 3)


def test_a_film_is_verified_and_reproduced(tmp_path: Path) -> None:
    assert _run(tmp_path, *FILM)[0] == 0
    code, out = _run(tmp_path, *FILM, "task=verify", "verify.format=json")
    assert (code, json.loads(out)["counts"]["bit_equal"]) == (0, 1)
    film = next(tmp_path.glob("outputs/embedded/videos/*.mp4"))
    code, out = _run(tmp_path, "task=reproduce", f"source={film}")
    assert code == 0
    assert "bit-equal" in out
    assert (tmp_path / "reproduced" / film.name).read_bytes() == film.read_bytes()
