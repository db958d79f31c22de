"""Real sbatch, scancel and scontrol. ``make test-cluster`` starts the cluster; see scripts/slurm_local.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import patience
from tests.faults.harness import tree

HERE = Path(__file__).parents[2]
SDBATCH = (sys.executable, "-m", "sdbatch")
JOBS = ("name=x", "model=fake", "prompts=[a sea, a hill]", "canvas=[48x32]", "gallery.enabled=false")
ACTIVE = "pending,running,suspended,configuring,completing,requeued"
SLOW = 180.0  # seconds: a worker starts in two seconds on a free core, and these tests start many


def slurm(*command: str) -> str:
    """What one of SLURM's commands prints."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


def active() -> str:
    """The jobs that have not ended, one a line."""
    return slurm("squeue", "-h", "-r", "-t", ACTIVE, "-o", "%i %T %r")


class Site:
    """A working folder that all nodes share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "outputs/x"
        folder.mkdir()

    def sbatch(self, *options: str, script: str) -> str:
        """Submit ``script``; the job's number."""
        command = ("sbatch", "--parsable", "--output=%A_%a.log", *options)
        done = subprocess.run(
            command, check=False, input=f"#!/bin/bash\n{script}\n", capture_output=True, text=True, cwd=self.folder
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run(self, *arguments: str) -> tuple[int, str]:
        """The program, here; its exit code and what it said."""
        done = subprocess.run(
            [*SDBATCH, *arguments], check=False, cwd=self.folder, capture_output=True, text=True, timeout=2 * SLOW
        )
        return done.returncode, done.stdout + done.stderr

    def logs(self) -> str:
        """What the jobs wrote, and the queue: for the message of a failed test."""
        logs = [f"{p}:\n{p.read_text('utf-8', 'replace')}" for p in sorted(self.folder.rglob("*.log"))]
        return "\n".join([*logs, slurm("squeue", "-r")])

    def until(self, done: Callable[[], object]) -> None:
        patience.until(done, self.logs, SLOW)

    def ended(self) -> None:
        """Wait until no job is left."""
        self.until(lambda: not active())

    def pictures(self) -> int:
        return len(list(self.root.rglob("images/**/*.png")))

    def tree(self) -> dict[str, bytes]:
        return tree(self.folder / "outputs")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty folder, and an empty cluster afterwards."""
    monkeypatch.setenv("PYTHONPATH", f"{HERE / 'src'}{os.pathsep}{HERE}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield Site(tmp_path / "site")
    slurm("scancel", "--quiet", "--user=root")
    patience.until(lambda: not active(), active, SLOW)


@pytest.fixture
def alone(tmp_path: Path, site: Site) -> Callable[..., dict[str, bytes]]:
    """``alone(*arguments)``: what one undisturbed process makes of them."""

    def render(*arguments: str) -> dict[str, bytes]:
        reference = Site(tmp_path / "alone")
        code, said = reference.run(*arguments)
        assert code == 0, said
        return reference.tree()

    return render
