"""SIGKILL, again and again, over the workers of an array: nothing lost, nothing half, little rendered twice."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

from sdbatch.config.cluster import SubmitSettings
from sdbatch.workers.sbatch import Scripts
from tests.cluster.conftest import Site, active
from tests.faults.harness import check_whole, render, rendered, tree
from tests.faults.test_kill import IN_FLIGHT

WORKERS = 4
WISH = {"stills": 400, "films": 6, "frames": 12, "delay": 0.15}


def _submit(site: Site, wish: dict[str, object]) -> None:
    """The script of task=submit, with a worker that says what it rendered."""
    scripts = Scripts(SubmitSettings(gpus="1", time="00:30:00"), "x", site.folder, Path(), ())
    worker = shlex.join([sys.executable, "-m", "tests.cluster.worker", str(site.root), json.dumps(wish)])
    script = site.folder / "workers.sh"
    script.write_text(scripts.workers(WORKERS).replace(scripts._command("task=render"), worker))
    site.sbatch(script=script.read_text().removeprefix("#!/bin/bash\n"))


def test_workers_that_are_killed_again_and_again(site: Site, tmp_path: Path, pytestconfig) -> None:
    kills = pytestconfig.getoption("--cluster-kills")
    code, said = render(tmp_path / "reference", **{**WISH, "delay": 0})
    assert code == 0, said
    reference = tree(tmp_path / "reference")
    log = tmp_path / "rendered.txt"
    wish = {**WISH, "log": str(log)}
    dice, deaths, left, rounds, done = random.Random(kills), 0, kills, 0, set[str]()
    while left or active():
        if left and not active():
            if tree(site.root) == reference:  # it got to the end: once more from the start
                _check_log(log, deaths)
                shutil.rmtree(site.root)
                log.unlink()
                deaths, done, rounds = 0, set(), rounds + 1
            _submit(site, wish)
        site.hurry()
        pids = site.pids()
        if left and pids:
            time.sleep(dice.uniform(0, 0.5))
            try:
                os.kill(dice.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                continue
            left, deaths = left - 1, deaths + 1
            now = check_whole(site.root, reference)
            assert done <= now, "a finished job was lost"
            done = now
        time.sleep(0.3)
    if tree(site.root) != reference:
        _submit(site, wish)
        site.ended()
    assert tree(site.root) == reference, site.logs()
    _check_log(log, deaths)


def _check_log(log: Path, deaths: int) -> None:
    ids = rendered(log)
    assert len(ids) - len(set(ids)) <= deaths * IN_FLIGHT
