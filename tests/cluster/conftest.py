"""Real sbatch, scancel and scontrol. ``make test-cluster`` starts the cluster; see scripts/slurm_local.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdbatch.store import Liveness, Store, WorkerState
from sdbatch.tasks import progress_report
from tests import patience
from tests.faults.harness import tree

HERE = Path(__file__).parents[2]
SDBATCH = (sys.executable, "-m", "sdbatch")
JOBS = ("name=x", "model=fake", "prompts=[a sea, a hill]", "canvas=[48x32]", "gallery.enabled=false")
ACTIVE = "pending,running,suspended,configuring,completing,requeued"
PAUSE = 10.0  # seconds before a requeued job starts
SLOW = 240.0  # seconds: a worker starts in two seconds on a free core, and these tests start many


def slurm(*command: str) -> str:
    """What one of SLURM's commands prints."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


def ended_with(job: str) -> str:
    """The exit code of a job that has ended, as SLURM shows it: ``1:0``."""
    found = re.search(r" ExitCode=(\S+)", slurm("scontrol", "-o", "show", "job", job))
    assert found
    return found[1]


def restarts(job: str) -> int:
    """How often the tasks of an array were requeued."""
    return sum(int(n) for n in re.findall(r" Restarts=(\d+)", slurm("scontrol", "-o", "show", "job", job)))


def active() -> str:
    """The jobs that have not ended, one a line."""
    return slurm("squeue", "-h", "-r", "-t", ACTIVE, "-o", "%i %T %r")


class Site:
    """A working folder that all nodes share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "outputs/x"
        self._requeued: dict[str, float] = {}
        folder.mkdir()

    def sbatch(self, *options: str, script: str) -> str:
        """Submit ``script``; the job's number."""
        command = ("sbatch", "--parsable", "--output=%A_%a.log", *options)
        done = subprocess.run(
            command, check=False, input=f"#!/bin/bash\n{script}\n", capture_output=True, text=True, cwd=self.folder
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def submit(self, *arguments: str, workers: int = 3) -> tuple[str, str]:
        """``task=submit``; the numbers of the array and of the job after it."""
        code, said = self.run(*arguments, "task=submit", f"submit.workers={workers}", "submit.time=00:10:00")
        assert code == 0, said
        found = re.search(r"in job (\d+)\n +job (\d+) collects", said)
        assert found, said
        return found[1], found[2]

    def run(self, *arguments: str) -> tuple[int, str]:
        """The program, here; its exit code and what it said."""
        done = subprocess.run(
            [*SDBATCH, *arguments], check=False, cwd=self.folder, capture_output=True, text=True, timeout=2 * SLOW
        )
        return done.returncode, done.stdout + done.stderr

    def logs(self) -> str:
        """What the jobs wrote, and the queue: for the message of a failed test."""
        logs = [f"{p}:\n{p.read_text('utf-8', 'replace')}" for p in sorted(self.folder.rglob("*.log"))]
        return "\n".join(
            [*logs, slurm("squeue", "-r", "-t", "all", "-o", "%i %T %r %M"), slurm("scontrol", "-o", "show", "job")]
        )

    def until(self, done: Callable[[], object]) -> None:
        patience.until(done, self.logs, SLOW)

    def ended(self) -> None:
        """Wait until no job is left."""
        self.until(lambda: self.hurry() or not active())

    def hurry(self) -> None:
        """Let requeued jobs start soon, not after SLURM's two minutes; at once is before their nodes are ready."""
        now = time.monotonic()
        waiting = {line.split()[0] for line in active().splitlines() if line.endswith(" PENDING BeginTime")}
        self._requeued = {job: self._requeued.get(job, now) for job in waiting}
        for job in (job for job, since in self._requeued.items() if now - since > PAUSE):
            subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now"], check=False)

    def workers(self) -> list[WorkerState]:
        return Store(self.root).workers()

    def pids(self) -> list[int]:
        """The processes of running workers."""
        return [w.report.pid for w in self.workers() if w.liveness is Liveness.ALIVE]

    def states(self) -> Counter[str]:
        """How many workers are in each state, as ``task=status`` tells it."""
        return Counter(map(progress_report.state, self.workers()))

    def pictures(self) -> int:
        return len(list(self.root.rglob("images/**/*.png")))

    def tree(self) -> dict[str, bytes]:
        return tree(self.folder / "outputs")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cluster-kills", type=int, default=10, help="kills in tests/cluster")


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
