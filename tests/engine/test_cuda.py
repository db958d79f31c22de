"""On a GPU: the same promises, in half precision, compiled, through xformers, and when its memory runs out.

``make cuda`` runs these and the benchmarks; without a GPU they are skipped.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.spec.jobs import Start
from sdbatch.spec.renderer import Picture
from tests.engine.models import psnr, render, shot, source
from tests.engine.test_exact import digests, plan

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
XFORMERS = pytest.mark.skipif(importlib.util.find_spec("xformers") is None, reason="needs xformers")


def opened(folder: Path, **runtime: Any) -> Any:
    return engine.open(source(folder), Runtime(device="cuda", **runtime))


@pytest.mark.parametrize(
    "runtime",
    [
        {"dtype": "float16"},
        {"dtype": "bfloat16"},
        {"dtype": "float32"},
        {"dtype": "float16", "rows": 8, "vae_batch": 3},
        {"dtype": "float16", "compile": True},
        pytest.param({"dtype": "float16", "attention": "xformers"}, marks=XFORMERS),
    ],
    ids=lambda runtime: " ".join(map(str, runtime.values())),
)
def test_company_and_order_change_no_bits(folder: Path, runtime: dict[str, Any]) -> None:
    found = opened(folder, **runtime)
    assert (found.profile.device, found.profile.exact) == ("cuda", "exact")
    together = digests(found, plan())
    backwards = digests(found, plan()[::-1])
    assert backwards == together
    for one in plan()[1::4]:
        assert digests(found, [one])[one.id] == together[one.id]


def test_the_picture_is_the_one_that_the_cpu_makes(folder: Path) -> None:
    """Noise comes from the CPU's generator, so only rounding is left."""
    here = engine.open(source(folder), Runtime(device="cpu", threads=1))
    for sampler in ("ddim", "euler_a", "dpmpp_2m_karras"):
        one = shot(sampler=sampler, steps=8)
        (cpu,), (gpu,) = (render(e, [one]).values() for e in (here, opened(folder, dtype="float32")))
        assert isinstance(cpu, Picture)
        assert isinstance(gpu, Picture)
        assert psnr(cpu.pixels, gpu.pixels) > 40


def test_chains_run_on_the_gpu(folder: Path) -> None:
    found = opened(folder)
    parent = shot(seed=1)
    child = shot(seed=2, start=Start(parent.id, 0.6))
    pictures = render(found, [child, parent])
    assert all(isinstance(p, Picture) for p in pictures.values())
    assert not np.array_equal(pictures[parent.id].pixels, pictures[child.id].pixels)


def test_memory_that_runs_out_loses_nothing(folder: Path) -> None:
    """Not simulated: the allocator gets half of what full calls need."""
    found = opened(folder, dtype="float32", rows=512)
    shots = [shot(seed=i, steps=3) for i in range(20)]
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    render(found, shots)
    needed = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((before + needed / 2) / total)
    try:
        pictures = render(found, shots)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(pictures) == 20
    assert all(isinstance(p, Picture) for p in pictures.values())
    assert found.profile.rows < 512
