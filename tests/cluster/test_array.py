"""A plain array of sbatch, written by hand: every task is the same command line."""

from __future__ import annotations

import shlex

import pytest

from tests.cluster.conftest import JOBS, SDBATCH

ONE = (*JOBS, "seeds=0..19")


@pytest.mark.short
def test_an_array_makes_what_one_process_makes(site, alone) -> None:
    script = shlex.join([*SDBATCH, *ONE, "model.fake.delay=0.1"])
    site.sbatch("--array=0-2", "--gres=gpu:1", script=f'echo "card $CUDA_VISIBLE_DEVICES"\n{script}')
    site.ended()
    assert site.tree() == alone(*ONE), site.logs()
    said = site.logs()
    assert said.count("; loading fake") == 3
    assert "card 0" in said
    assert "card 1" in said
