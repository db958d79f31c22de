"""On a GPU: the same promises, in half precision, compiled, through xformers, and when its memory runs out.

``make cuda`` runs these and the benchmarks; without a GPU they are skipped.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine.attention import KERNELS, Order, broken, order_for
from sdbatch.engine.device import prepare
from sdbatch.engine.graphs import CudaRecorder, Graphs
from sdbatch.engine.nets.unet import UNet
from sdbatch.spec.jobs import Start
from sdbatch.spec.renderer import Picture
from tests.engine.models import UNET, psnr, render, shot, source
from tests.engine.test_chains import chain, sizes
from tests.engine.test_exact import digests, plan

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
    pytest.mark.filterwarnings(
        "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"
    ),  # inductor's import
]
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
    assert not np.array_equal(pictures[parent.id].pixels, pictures[child.id].pixels)  # type: ignore[union-attr]


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


def test_a_chain_has_calls_of_two_rows_and_the_same_bits_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(folder, dtype="float16")
    assert found.profile.chain_rows == 2
    video, stills = chain(4), [shot(seed=200 + i, steps=6) for i in range(20)]
    together = digests(found, [*video, *stills])
    seen = sizes(found, monkeypatch)
    alone = digests(found, video)
    assert alone == {s.id: together[s.id] for s in video}
    assert seen.count(2) == 4 * 2


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_graphs_of_small_calls_and_of_texts_are_used_and_change_no_bits(
    folder: Path, dtype: str, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A capture that fails is only noted in a run; here it is a failure."""
    with caplog.at_level(logging.WARNING):
        found = opened(folder, dtype=dtype)
        video = chain(3, prompt="a (red:1.3) boat")
        graphed = digests(found, video)
        assert "CUDA graph" not in caplog.text
    assert all(graph is not None for graph in found._denoiser._graphs._graphs.values())
    assert all(graph is not None for graph in found._texts._call._graphs.values())
    assert len(found._denoiser._graphs._graphs) == 1
    plain = opened(folder, dtype=dtype)
    monkeypatch.setattr(plain._denoiser, "_graphs", None)
    monkeypatch.setattr(plain._texts, "_call", plain._texts._call._call)
    assert digests(plain, video) == graphed


def test_graphs_of_two_shapes_share_a_pool_and_keep_their_outputs() -> None:
    prepare(Runtime(device="cuda"))
    module = UNet(UNET).to("cuda", torch.float16, memory_format=torch.channels_last).eval()
    call = Graphs(lambda x, t, text: module(x, t, text)[0], CudaRecorder())

    def given(side: int, seed: int) -> tuple[torch.Tensor, ...]:
        dice = torch.Generator("cuda").manual_seed(seed)
        x = torch.randn(2, 4, side, side, generator=dice, device="cuda", dtype=torch.float16)
        text = torch.randn(2, 77, 32, generator=dice, device="cuda", dtype=torch.float16)
        return x.contiguous(memory_format=torch.channels_last), torch.tensor([3.0, 700.0], device="cuda"), text

    with torch.inference_mode():
        asked = [(8, 0), (16, 1), (8, 2), (16, 3), (8, 4)]
        got = [call(*given(*a)) for a in asked]
        assert all(torch.equal(out, module(*given(*a))[0]) for a, out in zip(asked, got, strict=True))
    assert all(graph is not None for graph in call._graphs.values())


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_attention_kernel_gives_the_same_result_within_rounding(kernel: str) -> None:
    """At the head widths of Stable Diffusion 1; a card without the kernel refuses in words that torch chooses."""
    for width in (40, 80, 160):
        q, k, v = (torch.randn(2, 8, n, width, device="cuda", dtype=torch.float16) for n in (256, 77, 77))
        with Order(("math",))():
            want = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        try:
            with Order((kernel,))():
                got = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        except RuntimeError as e:
            assert "No available kernel" in str(e)  # noqa: PT017
            pytest.skip(f"{kernel} does not run here")
        assert (got - want).abs().max() < 1e-2


def test_the_profile_names_the_order_that_was_judged(folder: Path) -> None:
    found = opened(folder, dtype="float16")
    usual = str(order_for("cuda", torch.cuda.get_device_capability()))
    assert found.profile.exact == "exact"
    assert found.profile.attention in (usual, "sdpa: flash, efficient, math")


def test_compiled_pictures_are_the_plain_ones_within_rounding(folder: Path) -> None:
    plain, compiled = (opened(folder, dtype="float16", compile=c) for c in (False, True))
    (a,), (b,) = (render(e, [shot(steps=6)]).values() for e in (plain, compiled))
    assert isinstance(a, Picture)
    assert isinstance(b, Picture)
    assert psnr(a.pixels, b.pixels) > 30


@XFORMERS
def test_xformers_that_does_not_load_is_said(folder: Path, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        found = opened(folder, attention="xformers")
    if broken() is None:
        assert found.profile.attention == "xformers"
    else:
        assert found.profile.attention.startswith("sdpa: ")
        assert "runtime.attention=xformers cannot be used" in caplog.text


def test_rows_are_those_of_the_cards_memory(folder: Path) -> None:
    large = torch.cuda.get_device_properties(0).total_memory >= 40 * 2**30
    assert opened(folder).profile.rows == (32 if large else 16)


def test_a_new_text_does_not_wait_for_the_device(folder: Path) -> None:
    """torch raises at any call that waits while the mode is on."""
    found = opened(folder, dtype="float16")
    found._texts.embedding("a (first:1.2) text, for what is set up once")
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.inference_mode():
            found._texts.embedding("a (second:1.3) text")
    finally:
        torch.cuda.set_sync_debug_mode("default")
