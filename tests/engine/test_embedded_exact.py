"""The embedded model over random plans: fresh processes, shuffled order, other neighbours, the same bits."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdbatch import engine
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.models.locate import locate
from sdbatch.samplers import SAMPLERS
from tests.engine.models import shot
from tests.engine.test_exact import digests

SOURCE = locate(ModelSettings(kind="tiny"))
PLANS = st.lists(
    st.fixed_dictionaries(
        {
            "prompt": st.sampled_from(["a red lighthouse, sea, day", "(castle:1.3), snow hills, [night]", ""]),
            "negative": st.sampled_from(["", "clouds"]),
            "seed": st.integers(0, 2**32),
            "width": st.sampled_from([64, 88]),
            "height": st.sampled_from([64, 56]),
            "sampler": st.sampled_from(sorted(SAMPLERS)),
            "steps": st.integers(1, 6),
            "guidance": st.sampled_from([1.0, 4.0, 7.5]),
        }
    ),
    min_size=4,
    max_size=9,
)


@pytest.fixture(scope="module")
def embedded() -> Any:
    return engine.open(SOURCE, Runtime(device="cpu", workers=1))


def of(opened: Any, plan: list[dict[str, Any]]) -> dict[str, str]:
    return digests(opened, list(dict.fromkeys(shot(model=SOURCE.model, **fields) for fields in plan)))


@settings(max_examples=2, deadline=None, derandomize=True)
@given(plan=PLANS, neighbours=PLANS, order=st.randoms(use_true_random=False))
def test_random_plans_in_fresh_processes(
    embedded: Any, plan: list[dict[str, Any]], neighbours: list[dict[str, Any]], order: random.Random
) -> None:
    """There with two workers and others' company, here with one and alone."""
    shuffled = [*plan, *neighbours]
    order.shuffle(shuffled)
    script = (
        "import json, sys; from sdbatch import engine; from sdbatch.config.runtime import Runtime;"
        "from tests.engine.test_embedded_exact import SOURCE, of;"
        "sys.stdout.write(json.dumps(of(engine.open(SOURCE, Runtime(device='cpu', workers=2)), json.load(sys.stdin))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(shuffled),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    there = json.loads(done.stdout)
    for key, found in of(embedded, plan).items():
        assert there[key] == found
