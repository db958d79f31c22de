"""The embedded model itself: killed, gone on with, and bit-equal in a process of its own.

Loading torch takes longer than rendering these pictures, so tests that need no process of their own share one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.patience import until

SETTINGS = [
    *("name=embedded", "model=tiny", "gallery.enabled=false", "prompts=[a red torii gate]", "canvas=[64x64]"),
    *(
        "sampling.steps=3",
        "seeds=0..2",
        "motion.frames=5",
        "motion.cadence=2",
        "sweep=[{motion.mode:[still,feedback]}]",
    ),
]
ONE = [sys.executable, "-m", "sdbatch", *SETTINGS]
SEVERAL = [
    sys.executable,
    "-c",
    "import json, sys; from sdbatch.cli import run; print([run(a) for a in json.load(sys.stdin)])",
]


def _start(command: list[str], folder: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SDBATCH")}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_killed_resumed_verified_and_reproduced(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs/embedded"
    for done in ("images/[!.]*.png", "videos/[!.]*.mp4"):
        process = _start(ONE, tmp_path)
        until(lambda: process.poll() is not None or any(outputs.glob(done)), timeout=300)  # noqa: B023
        process.kill()
        process.communicate()
    process = _start(ONE, tmp_path)
    process.communicate(timeout=300)
    assert process.returncode == 0

    video = next(outputs.glob("videos/*.mp4"))
    tasks = [
        [*SETTINGS, "output.folder=calm"],  # the same, undisturbed
        [*SETTINGS, "task=verify", "verify.format=json"],
        ["task=reproduce", f"source={video}"],
    ]
    said, _ = _start(SEVERAL, tmp_path).communicate(json.dumps(tasks), timeout=300)
    assert said.endswith("[0, 0, 0]\n")
    assert _tree(outputs) == _tree(tmp_path / "calm/embedded")
    assert '"bit_equal": 6' in said
    assert f"{video.name}: bit-equal" in said
    assert (tmp_path / "reproduced" / video.name).read_bytes() == video.read_bytes()
