"""``task=status`` and waiting: what workers do, as the shared folder tells it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from sdbatch.gallery.status import worker_counts
from sdbatch.plan import division
from sdbatch.store import Liveness, Report, Store, WorkerState
from sdbatch.tasks import progress_report
from sdbatch.tasks.progress_report import Tally
from tests import patience
from tests.faults.harness import Child, tree
from tests.runner.little import plan, still
from tests.tasks.test_submit import Site, reference, site

__all__ = ["reference", "site"]
WISH = {"stills": 40}


def tally(root: Path) -> Tally:
    jobs = plan(*(still(i) for i in range(40)))
    return Tally("x", jobs, Store(root), range(40))


def test_workers_that_run_end_and_die(tmp_path: Path) -> None:
    root = tmp_path / "x"
    found = tally(root)
    before = found.read()
    assert (before.done, before.left, before.running, before.seconds_left) == (0, 40, 0, None)
    children = [Child(root, **WISH, delay=0.3) for _ in range(3)]
    patience.until(lambda: found.read().done >= 6)
    now = found.read()
    assert now.running == 3
    assert {progress_report.state(w) for w in now.workers} == {"running"}
    assert sorted(w.report.pid for w in now.workers) == sorted(child.pid for child in children)
    assert now.done + now.left == 40
    children[0].kill()
    children[1].signal(signal.SIGUSR1)
    children[1].wait()
    states = {w.report.pid: progress_report.state(w) for w in found.read().workers}
    assert states == {
        children[0].pid: "died",
        children[1].pid: "stopped",
        children[2].pid: "running",
    }
    assert children[2].wait()[0] == 0
    end = found.read()
    assert (end.done, end.failed, end.left, end.running) == (40, 0, 0, 0)


def test_failures_are_counted_and_shown(tmp_path: Path) -> None:
    root = tmp_path / "x"
    found = tally(root)
    assert Child(root, **WISH, faults={"fail": [still(3).id]}).wait()[0] == 1
    now = found.read()
    assert (now.done, now.failed, now.left) == (39, 1, 0)
    assert now.errors[0][0] == still(3).id
    assert tally(root).read().failed == 1, "also of an earlier run"
    assert Child(root, **WISH).wait()[0] == 0
    assert (found.read().done, found.read().failed) == (40, 0)


def test_rate_and_time_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of running workers only; by cost, so that large pictures count as such."""
    found = tally(tmp_path / "x")
    cost = 10 * float(division.kinds(plan(still(0))).costs()[0])
    scope = found._scope + "0-1"

    def worker(liveness: Liveness, stopped: bool = False, scope: str = scope) -> WorkerState:
        return WorkerState("t", scope, liveness, 1.0, 20.0, Report(done=10, cost=cost), stopped)

    states = [
        worker(Liveness.ALIVE),
        worker(Liveness.ALIVE),
        worker(Liveness.GONE),
        worker(Liveness.GONE, stopped=True),
        worker(Liveness.ENDED),
        worker(Liveness.ALIVE, scope="d0-0-1"),  # another plan
    ]
    monkeypatch.setattr(Store, "workers", lambda self: states)
    now = found.read(waiting=4)
    assert now.rate == pytest.approx(1.0)
    assert now.seconds_left == pytest.approx(40.0)
    assert now.line() == "x: 0/40 done, 2 workers, 4 waiting, 1.00/s, 40 s left"
    assert [progress_report.state(w) for w in now.workers] == ["running", "running", "died", "stopped", "ended"]
    assert worker_counts(states) == {"workers": 3, "died": 1}


def test_the_command_shows_them(site: Site) -> None:
    code, said = site.run("task=status")
    assert (code, said) == (1, "x: 0/12 done, 0 workers\n")
    assert not (site.folder / "outputs").exists()
    workers = [site.start("model.fake.delay=30") for _ in range(2)]  # they do not end by themselves
    root = site.folder / "outputs/x"
    patience.until(lambda: len(Store(root).workers()) == 2, timeout=120)
    code, said = site.run("task=status")
    assert code == 1
    assert said.count("running") == 2, said
    code, said = site.run("task=status", "status.format=json")
    data = json.loads(said)
    assert {w["pid"] for w in data["workers"]} == {w.pid for w in workers}
    for worker in workers:
        worker.send_signal(signal.SIGINT)
    assert [w.wait(60) for w in workers] == [130, 130]
    worker = site.start("model.fake.delay=2")
    patience.until(lambda: any(w.report.pid == worker.pid for w in Store(root).workers()), timeout=120)
    code, said = site.run("task=status", "status.follow=true", "status.format=json")
    assert code == 0
    assert json.loads(said.splitlines()[-1])["jobs"] == {"total": 12, "done": 12, "failed": 0, "left": 0}
    assert worker.wait(60) == 0
    code, said = site.run("task=status")
    assert (code, said) == (0, "x: 12/12 done, 0 workers\n")


def test_waiting_for_several_experiments(site: Site, reference: dict[str, bytes]) -> None:
    """One progress for all; the results are those of one process."""
    keys = ("-m", "+cluster=slurm", "submit.workers=2", "name=x,y", "model.fake.delay=0.1")
    code, said = site.run(*keys)
    assert code == 0, said
    assert [call[1] for call in site.calls("sbatch")] == ["--array=0-1", "--array=0-1"]
    assert "x: 12 rendered" in said
    assert "y: 12 rendered" in said
    assert "x: 12/12 done" in said
    outputs = site.folder / "outputs"
    assert tree(outputs / "x") == {k.removeprefix("x/"): v for k, v in reference.items()}
    assert site.run(*keys)[1].count("nothing to do") == 2


def test_what_fails_is_the_exit_code_of_waiting(site: Site) -> None:
    code, said = site.run("+cluster=slurm", "submit.workers=2", "model.fake.fail=[hill]", "prompts=[a sea, a hill]")
    assert code == 1, said
    assert "x: 4 rendered, 4 failed" in said


def test_ctrl_c_cancels_the_jobs(site: Site, reference: dict[str, bytes]) -> None:
    waiting = site.start("+cluster=slurm", "submit.workers=2", "model.fake.delay=1", "seeds=0..3")
    patience.until(lambda: any(site.folder.glob("outputs/x/images/*.png")), timeout=120)
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(120) == 130, site.said
    assert "interrupted with" in site.said
    assert site.calls("scancel")
    assert not [p for p in site.slurm.glob("pids/*") if patience.runs(int(p.name))]
    assert site.run()[0] == 0
    assert tree(site.folder / "outputs") == reference


def test_an_empty_folder_collects_nothing(site: Site) -> None:
    code, said = site.run("task=collect")
    assert code == 1
    assert "12 left" in said
    assert not (site.folder / "outputs").exists()


def test_collecting_merges_what_dead_workers_left(site: Site, reference: dict[str, bytes]) -> None:
    worker = site.start("model.fake.delay=0.5")
    store = Store(site.folder / "outputs/x")
    patience.until(lambda: len(store.ledger()), timeout=120)  # a picture appears before its record
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    done = len(store.ledger())
    code, said = site.run("task=collect", "gallery.enabled=true")
    assert code == 1
    assert f"{done} done before" in said
    root = site.folder / "outputs/x"
    assert (root / "index.html").exists()
    assert not (root / "manifest").exists()
    assert site.run()[0] == 0
    ours = {k: v for k, v in tree(root).items() if not k.startswith(("gallery/", "index.html"))}
    assert ours == {k.removeprefix("x/"): v for k, v in reference.items()}
