"""What goes wrong on a cluster: every other job gets done, a second submission finishes the rest, the bytes are equal.

Each worker's state is told truthfully meanwhile, from the shared folder alone.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess

import pytest

from tests.cluster.conftest import JOBS, SDBATCH, active, ended_with, restarts, slurm

ONE = (*JOBS, "seeds=0..59")  # 120 jobs: 12 seconds of three workers
FEW = ("name=x", "gallery.enabled=false", "runtime.workers=1")
SLOW = "model.fake.delay=0.3"
CLOCK = """import sys, time
now, now_ns = time.time, time.time_ns
time.time = lambda: now() + {seconds}
time.time_ns = lambda: now_ns() + {seconds} * 10**9
sys.stderr.write("the clock is off\\n")
"""


@pytest.mark.short
def test_a_worker_that_is_killed(site, alone) -> None:
    """Its job goes back into the queue; the others take over its work meanwhile."""
    array, end = site.submit(*ONE, SLOW)
    site.until(lambda: len(site.pids()) == 3 and site.pictures())
    os.kill(site.pids()[0], signal.SIGKILL)
    site.until(lambda: site.states()["died"] == 1)
    site.ended()
    assert site.tree() == alone(*ONE), site.logs()
    assert ended_with(end) == "0:0"
    assert restarts(array) == 1


def test_a_job_that_fails(site, alone) -> None:
    _, end = site.submit(*ONE, "model.fake.fail=[hill]")
    site.ended()
    assert ended_with(end) == "1:0", "from the records: SLURM's states are not asked"
    assert "60 failed" in site.logs()
    _, end = site.submit(*ONE)
    site.ended()
    assert ended_with(end) == "0:0"
    assert site.tree() == alone(*ONE), site.logs()


def test_scancel(site, alone) -> None:
    array, end = site.submit(*ONE, SLOW)
    site.until(lambda: len(site.pids()) == 3 and site.pictures())
    slurm("scancel", array)
    site.ended()
    assert restarts(array) == 0, "nobody wants it in the queue again"
    assert ended_with(end) == "1:0"
    assert 0 < site.pictures() < 120
    assert not site.workers(), "they have left in good order"
    assert not list(site.root.rglob(".tmp-*"))
    site.submit(*ONE)
    site.ended()
    assert site.tree() == alone(*ONE), site.logs()


@pytest.mark.short
def test_a_signal_before_the_limit(site, alone) -> None:
    """SLURM sends it to the batch shell: the worker drains, its job is requeued and goes on."""
    array, end = site.submit(*ONE, SLOW, workers=2)
    site.until(lambda: len(site.pids()) == 2 and site.pictures())
    slurm("scancel", "--signal=USR1", "--batch", f"{array}_0")
    site.until(lambda: site.states()["stopped"] == 1)
    assert site.states()["died"] == 0
    site.ended()
    assert restarts(array) == 1
    assert ended_with(end) == "0:0"
    assert site.tree() == alone(*ONE), site.logs()


def test_a_time_limit(site, alone) -> None:
    """Two minutes are not enough for one worker: it takes several jobs, one after the other."""
    many = (*JOBS, "seeds=0..64", "model.fake.delay=1")  # 130 seconds
    code, said = site.run(
        *many, "task=submit", "submit.workers=1", "submit.time=00:02:00", "submit.signal=15", "submit.gpus=0"
    )
    assert code == 0, said
    site.ended()
    array = max(slurm("squeue", "-h", "-t", "all", "-n", "sdbatch-x", "-o", "%F").split(), key=int)  # the latest
    assert restarts(array) >= 1
    assert "interrupted with" in site.logs()
    assert site.tree() == alone(*many[:-1]), site.logs()


def test_a_node_that_is_set_down(site, alone) -> None:
    array, end = site.submit(*ONE, SLOW, "submit.cpus=2")
    site.until(lambda: len(site.pids()) == 3 and site.pictures())
    (node, *_) = slurm("squeue", "-h", "-t", "running", "-j", array, "-o", "%N").splitlines()
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        site.until(lambda: len(site.pids()) < 3)
        assert site.states()["died"] + site.states()["stopped"] >= 1
    finally:
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=False)  # if it is not back yet
    site.ended()
    assert ended_with(end) == "0:0"
    assert restarts(array) >= 1
    assert site.tree() == alone(*ONE), site.logs()


def test_a_disk_that_is_full_for_one_worker(site, alone) -> None:
    command = shlex.join([*SDBATCH, *ONE, "model.fake.delay=0.5"])
    site.sbatch("--array=0-1", "--gres=gpu:1", script=command)
    site.until(lambda: len(site.pids()) == 2 and site.pictures())
    poor = site.sbatch(script=f"ulimit -f 5\n{command}")  # kibibytes: its manifest grows larger
    site.ended()
    assert ended_with(poor) == "1:0"
    assert "no space left on the disk" in site.logs()
    assert site.tree() == alone(*ONE), site.logs()


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_an_hour_off(site, alone, tmp_path, hours: int) -> None:
    """Nobody is taken for dead: heartbeats are compared with the clock of the file system.

    libfaketime does not work with Python's locks, so the clock is changed inside the worker.
    """
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(CLOCK.format(seconds=3600 * hours))
    command = shlex.join([*SDBATCH, *ONE, SLOW])
    path = f"{tmp_path / 'clock'}:{os.environ['PYTHONPATH']}"
    site.sbatch(script=f"export PYTHONPATH={shlex.quote(path)}\n{command}")
    site.sbatch(script=command)
    site.until(lambda: len(site.pids()) == 2 and site.pictures() > 20)
    assert site.states() == {"running": 2}
    assert all(w.age < 60 and w.seconds < 600 for w in site.workers())
    site.ended()
    assert "the clock is off" in site.logs()
    assert site.tree() == alone(*ONE), site.logs()
    rendered = [int(count) for count in re.findall(r"^x: (\d+) rendered\b", site.logs(), re.M)]
    assert sum(rendered) == 120, "nothing was rendered twice"
    assert all(rendered)


def test_the_embedded_model_with_a_kill(site, alone) -> None:
    wish = "model=tiny", "prompts=[a sea, red torii gate]", "seeds=0..11", "canvas=[64x64, 96x64]", "sampling.steps=6"
    _, end = site.submit(*FEW, *wish, workers=2)
    site.until(lambda: len(site.pids()) == 2 and site.pictures())
    os.kill(site.pids()[0], signal.SIGKILL)
    site.ended()
    assert ended_with(end) == "0:0"
    assert site.tree() == alone(*FEW, *wish), site.logs()


@pytest.mark.short
def test_a_multirun_waits_for_all(site, alone) -> None:
    keys = ("-m", *ONE[1:], "name=x,y", "+cluster=slurm", "submit.workers=2", "model.fake.delay=0.2", "submit.gpus=0")
    code, said = site.run(*keys)
    assert code == 0, said
    assert "x: 120 rendered" in said
    assert "y: 120 rendered" in said
    assert not active()
    reference = alone("-m", *ONE[1:], "name=x,y")
    assert site.tree() == reference, site.logs()
