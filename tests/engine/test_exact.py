"""The same shot gives the same bits alone, in any company, in any order, and in a fresh process."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine.batching import Lane, QueuedRow, Request
from sdbatch.engine.denoise import Row
from sdbatch.engine.policy import TAILS
from sdbatch.engine.selftest import probe, same_bits
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.jobs import PromptBlend, Shot
from sdbatch.spec.renderer import Bucket, Picture
from sdbatch.spec.start import Start
from tests.engine.models import render, shot, source

TEXT = torch.randn(77, 32, generator=torch.Generator().manual_seed(0))
LONG = " ".join(["a red boat on the sea,"] * 20)
SHOTS = st.builds(
    lambda size, **fields: shot(width=size[0], height=size[1], **fields),
    prompt=st.sampled_from(["a cat", "(red:1.4) boat [night]", "", LONG, "[sea|sky] AND [cat:dog:0.5]:0.6", "[a:b:2]"]),
    step_syntax=st.booleans(),
    negative=st.sampled_from(["", "fog"]),
    seed=st.integers(0, 2**32),
    size=st.sampled_from([(64, 64), (48, 64), (70, 56)]),
    sampler=st.sampled_from(sorted(SAMPLERS)),
    steps=st.integers(1, 5),
    guidance=st.sampled_from([1.0, 4.0, 7.5]),
)
KNOWN: dict[str, str] = {}


def digest(result: Any) -> str:
    assert isinstance(result, Picture), result
    return blake2b(result.pixels.tobytes(), digest_size=8).hexdigest()


def digests(engine: Any, shots: list[Shot]) -> dict[str, str]:
    return {key: digest(result) for key, result in render(engine, shots).items()}


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shots=st.lists(SHOTS, min_size=2, max_size=7), order=st.randoms(use_true_random=False))
def test_batch_composition_and_order_change_no_bits(opened: Any, shots: list[Shot], order: random.Random) -> None:
    together = list(dict.fromkeys(shots))
    order.shuffle(together)
    found = digests(opened, together)
    for one in together:
        if one.id not in KNOWN:
            KNOWN.update(digests(opened, [one]))
        assert found[one.id] == KNOWN[one.id]


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shots=st.lists(SHOTS, min_size=2, max_size=7), order=st.randoms(use_true_random=False))
def test_company_and_order_change_no_bits_in_bfloat16(
    in_bfloat16: Any, shots: list[Shot], order: random.Random
) -> None:
    together = list(dict.fromkeys(shots))
    order.shuffle(together)
    found = digests(in_bfloat16, together)
    for one in together:
        assert digests(in_bfloat16, [one]) == {one.id: found[one.id]}


@pytest.fixture(scope="module")
def in_bfloat16(folder: Path) -> Any:
    """On every processor: where bfloat16 is emulated, it is slower, and as exact."""
    return engine.open(source(folder), Runtime(device="cpu", threads=1, rows=4, dtype="bfloat16"))


@pytest.mark.parametrize("runtime", [{}, {"rows": 8, "vae_batch": 3}, {"dtype": "bfloat16"}])
def test_other_profiles_are_as_exact(folder: Path, runtime: dict[str, Any]) -> None:
    """Padded VAE calls, other row counts, half precision: company still changes nothing."""
    opened = engine.open(source(folder), Runtime(device="cpu", threads=1, **runtime))
    assert opened.profile.exact == "exact"
    together = digests(opened, plan())
    for one in plan()[1::3]:
        assert digests(opened, [one])[one.id] == together[one.id]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_fresh_process_in_another_order_gives_the_same_bits(opened: Any, folder: Path, dtype: str) -> None:
    if dtype != "float32":
        opened = engine.open(source(folder), Runtime(device="cpu", threads=1, rows=4, dtype=dtype))  # type: ignore[arg-type]
    here = digests(opened, plan())
    script = (
        "import json, random, sys; from pathlib import Path;"
        "from sdbatch import engine; from sdbatch.config.runtime import Runtime;"
        "from tests.engine.models import source; from tests.engine.test_exact import digests, plan, shot;"
        "shots = plan() + [shot(seed=99, steps=7)]; random.Random(4).shuffle(shots);"
        "e = engine.open(source(Path(sys.argv[1])), Runtime(device='cpu', threads=1, rows=4, dtype=sys.argv[2]));"
        "sys.stdout.write(json.dumps(digests(e, shots)))"
    )
    command = [sys.executable, "-c", script, str(folder), dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    there = json.loads(done.stdout)
    assert {key: there[key] for key in here} == here


def test_bfloat16_is_exact_where_it_is_emulated(folder: Path) -> None:
    """In a process that is told to use no instructions newer than AVX2, as on an older processor."""
    script = (
        "import sys; from pathlib import Path;"
        "from sdbatch import engine; from sdbatch.config.runtime import Runtime;"
        "from tests.engine.models import source; from tests.engine.test_exact import digests, plan;"
        "e = engine.open(source(Path(sys.argv[1])), Runtime(device='cpu', threads=1, rows=4, dtype='bfloat16'));"
        "together, alone = digests(e, plan()), digests(e, plan()[3:4]) | digests(e, plan()[8:9]);"
        "print(e.profile.exact, len(alone), {k: together[k] for k in alone} == alone)"
    )
    older = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], env=older)
    assert done.stdout == "exact 2 True\n"


def plan() -> list[Shot]:
    """A bit of everything, chains included (their parents come later in the list: the feed holds them back)."""
    parent = shot(seed=3, steps=2)
    child = shot(seed=4, sampler="euler_a", start=Start(parent.id, 0.6, replace(Start("", 1).camera, zoom=1.2)))
    blend = shot(seed=6, toward=PromptBlend("red boat", "", 7, 0.3), guidance=3.0)
    mixed = [shot(seed=i, sampler=s, steps=2 + i % 4, guidance=1.0 + i % 3) for i, s in enumerate(sorted(SAMPLERS))]
    return [child, blend, *mixed, parent]


def test_the_self_test_finds_this_device_exact(opened: Any) -> None:
    assert opened.profile.exact == "exact"


@pytest.mark.parametrize(
    ("broken", "verdict"),
    [
        (lambda row, slot, all: row.latent, "exact"),
        (lambda row, slot, all: row.latent + slot, "bits depend on slot"),
        (lambda row, slot, all: row.latent + sum(r.timestep for r in all), "bits depend on neighbours and slot"),
        (lambda row, slot, all: row.latent * float("nan"), ""),
    ],
)
def test_the_self_test_sees_what_bits_depend_on(broken: Any, verdict: str) -> None:
    def call(rows: Any, size: int) -> list[torch.Tensor]:
        return [broken(row, i, rows) for i, row in enumerate(rows)]

    row = Row(torch.ones(4, 2, 2), 500.0, torch.ones(3, 5))
    assert probe(call, row, 4) == verdict


def test_a_smaller_call_is_proved_in_its_last_slot_too() -> None:
    """Calls of 4 rows depend on the slot, calls of 9 and 12 on nothing."""

    def call(rows: Any, size: int) -> list[torch.Tensor]:
        return [row.latent + (slot if size == 4 else 0) for slot, row in enumerate(rows)]

    assert same_bits(call, Row(torch.ones(4, 2, 2), 500.0, torch.ones(3, 5)), 16, (4, 9, 12)) == (9, 12)


@torch.inference_mode()
def test_tails_are_tested_before_they_are_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that cannot be filled may be smaller, but only by sizes that gave equal bits in that very bucket."""
    opened = engine.open(source(folder), Runtime(device="cpu", threads=1))
    assert opened.profile.rows == 16
    proven = opened._lane(Bucket(8, 8, 1)).find_tails()
    assert proven == tuple(n for n in TAILS if same(opened.main.uncounted, n))
    monkeypatch.setattr(opened.main, "uncounted", Uneven(opened.main.uncounted))
    assert opened._lane(Bucket(8, 16, 1)).find_tails() == ()


def same(call: Any, size: int) -> bool:
    """Whether calls of ``size`` rows and of 16 give the same bits."""
    rows = [Row(torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(i)), 9.0 * i, TEXT) for i in range(size)]
    return all(map(torch.equal, call(rows, size), call(rows, 16)))


@pytest.mark.parametrize(("count", "sizes"), [(3, [16, 16, 16, 4]), (9, [16, 16, 16, 9]), (10, [16, 16, 16, 16])])
def test_a_lane_that_is_padded_often_takes_smaller_calls(count: int, sizes: list[int]) -> None:
    asked = []
    lane = Lane(None, 16, 1, lambda: asked.append(1) or (4, 9))  # type: ignore[arg-type]
    found = []
    for _ in sizes:
        flight = Request(shot(), iter(()), 3, None)  # type: ignore[arg-type]
        lane.queue = [QueuedRow(flight, k, None) for k in range(count)]  # type: ignore[arg-type]
        found.append(lane.take(16)[1])
    assert found == sizes
    assert asked == [1]


class Uneven:
    """A denoiser whose bits depend on the number of rows."""

    def __init__(self, true: Any) -> None:
        self.true = true

    def __call__(self, rows: Any, size: int) -> list[Any]:
        return [out + 1e-3 * size for out in self.true(rows, size)]
