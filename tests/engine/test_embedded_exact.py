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
from tests import patience
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


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def embedded(request: pytest.FixtureRequest) -> Any:
    """In bfloat16 on every processor: where it is emulated, it is slower, and as exact."""
    return engine.open(SOURCE, Runtime(device="cpu", workers=1, dtype=request.param))


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
        "opened = engine.open(SOURCE, Runtime(device='cpu', workers=2, dtype=sys.argv[1]));"
        "sys.stdout.write(json.dumps(of(opened, json.load(sys.stdin))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, embedded.profile.dtype],
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_killed_and_run_again_the_files_are_the_same(tmp_path: Path, dtype: str) -> None:
    """The second run has other pictures in its calls: those that the first one had not finished."""
    order = [
        *(sys.executable, "-m", "sdbatch", "name=x", "model=tiny", f"runtime.dtype={dtype}", "gallery.enabled=false"),
        *("prompts=[a red lighthouse, snow hills]", "canvas=[64x64, 64x88]", "seeds=0..3", "sampling.steps=4"),
    ]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    subprocess.run(order, cwd=tmp_path / "whole", env=environment, check=True, capture_output=True)
    first = subprocess.Popen(order, cwd=tmp_path / "killed", env=environment, stderr=subprocess.DEVNULL)
    patience.until(lambda: any((tmp_path / "killed/outputs/x/images").glob("*.png")))
    first.kill()
    first.wait()
    subprocess.run(order, cwd=tmp_path / "killed", env=environment, check=True, capture_output=True)
    pictures, again = (
        {p.name: p.read_bytes() for p in (tmp_path / n).rglob("images/*.png")} for n in ("whole", "killed")
    )
    assert len(pictures) == 16
    assert again == pictures
