"""On a GPU: the same promises, in half precision, compiled, through xformers, and when its memory runs out.

``make gpu`` runs these and the benchmarks; without a GPU they are skipped.
"""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import kernels, machine, work
from benchmarks.gpu.raw import Raw
from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import device
from sdbatch.engine.attention import KERNELS, Order, broken, order_for
from sdbatch.engine.device import prepare
from sdbatch.engine.gpu_errors import ooms, watched
from sdbatch.engine.graphs import CudaRecorder, Graphs
from sdbatch.engine.nets.unet import UNet
from sdbatch.engine.selftest import probe, same_bits
from sdbatch.errors import ConfigError
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Picture
from sdbatch.spec.start import Start
from tests.engine.models import UNET, breaks, faulty, psnr, render, shot, source
from tests.engine.test_chains import chain, sizes
from tests.engine.test_exact import digests, plan
from tests.engine.test_selftest import quantized, slot_dependent

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"),  # inductor's own
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
        {"dtype": "float32", "compile": True},
        pytest.param({"dtype": "float16", "attention": "xformers"}, marks=XFORMERS),
    ],
    ids=lambda runtime: " ".join(map(str, runtime.values())),
)
def test_batch_composition_and_order_change_no_bits(folder: Path, runtime: dict[str, Any]) -> None:
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


@pytest.fixture(scope="module")
def usual(folder: Path) -> Any:
    """An engine as most people open it."""
    return opened(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_products_work_with_the_settings_for_equal_bits(usual: Any, dtype: torch.dtype) -> None:
    """torch 2.10 and newer refuse half-precision products without split-K; said before weights are loaded."""
    card = torch.device("cuda", torch.cuda.current_device())
    device.check_product(card, dtype)
    if dtype == torch.float32:
        return
    matmul, name = torch.backends.cuda.matmul, {torch.float16: "fp16", torch.bfloat16: "bf16"}[dtype]
    setting = f"allow_{name}_reduced_precision_reduction"
    try:
        setattr(matmul, setting, (False, False))
        with pytest.raises(ConfigError, match="cuda cannot compute in"):
            device.check_product(card, dtype)
    finally:
        setattr(matmul, setting, (False, True))


def test_every_size_is_proved_and_nothing_is_noted(usual: Any) -> None:
    """Sizes, text lengths and the VAE's batch as they are rendered, each at its first use."""
    shots = [
        shot(seed=i, width=w, height=h, prompt="a red boat on the sea, " * n, steps=2)
        for i, (w, h, n) in enumerate([(64, 64, 1), (64, 96, 1), (128, 128, 1), (256, 192, 1), (64, 64, 20)])
    ]
    assert "other sizes tested at first use" in usual.about
    assert [p.warnings for p in render(usual, shots).values()] == [()] * 5  # type: ignore[union-attr]
    tested = usual.main.exactness.tested
    assert len(tested.denoiser) >= 5
    assert set(tested.denoiser.values()) | set(tested.vae.values()) == {"exact"}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (lambda parts: parts.denoiser.conv_in.register_forward_pre_hook(quantized), "bits depend on neighbours"),
        (lambda parts: parts.denoiser.conv_out.register_forward_hook(slot_dependent), "bits depend on slot"),
    ],
    ids=["quantized by the whole tensor", "slot"],
)
def test_the_self_test_can_fail(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, fault: Any, verdict: str
) -> None:
    def spoil(parts: Any) -> None:
        fault(parts)
        parts.vae.decoder.conv_out.register_forward_hook(slot_dependent)

    faulty(monkeypatch, spoil)
    found = opened(folder, dtype=dtype)
    assert found.profile.exact.startswith(verdict)
    (picture,) = render(found, [shot(steps=2)]).values()
    assert len(picture.warnings) == 2  # type: ignore[union-attr]
    assert "the VAE's bits depend on slot" in picture.warnings[1]  # type: ignore[union-attr]


def test_the_allocators_refusals_are_counted_even_when_caught(usual: Any) -> None:
    """As cuDNN catches them: the call comes back, and is made again with fewer rows all the same."""
    card = usual._device.where

    def refused() -> None:
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(1 << 46, dtype=torch.uint8, device=card)

    before = ooms(card)
    with pytest.raises(torch.OutOfMemoryError, match="another algorithm"), watched(lambda: ooms(card)):
        refused()
    assert ooms(card) == before + 1


def test_calls_that_ran_out_of_memory_unseen_are_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(folder, rows=8)

    def refuse(rows: Any, size: int, out: list[Any]) -> None:
        if size > 4:
            with pytest.raises(torch.OutOfMemoryError):
                torch.empty(1 << 46, dtype=torch.uint8, device="cuda")

    breaks(monkeypatch, found, refuse)
    pictures = render(found, [shot(seed=i) for i in range(3)])
    assert [type(p) for p in pictures.values()] == [Picture] * 3
    assert found.profile.rows == 4


def test_memory_comes_back_when_an_engine_is_closed(folder: Path) -> None:
    """Nothing of the networks stays, or a run of several jobs would need them several times."""
    warm = opened(folder, dtype="float32")  # libraries keep workspaces from their first use on
    render(warm, [shot(steps=2)])
    warm.close()
    before = torch.cuda.memory_allocated()
    found = opened(folder, dtype="float32")
    render(found, [shot(steps=2)])
    assert torch.cuda.memory_allocated() > before + 1_000_000
    found.close()
    assert torch.cuda.memory_allocated() <= before + 100_000


def test_a_sticky_error_is_a_lost_device() -> None:
    """In a process of its own: no later call of that process works."""
    code = """
import torch
from sdbatch.engine.gpu_errors import is_lost, is_out_of_memory
try:
    torch.ones(8, device="cuda")[torch.full((4,), 99, device="cuda")]
    torch.cuda.synchronize()
except Exception as e:
    raise SystemExit(0 if is_lost(e) and not is_out_of_memory(e) else f"{type(e)}: {e}")
raise SystemExit("no error")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_profile_names_cuda_and_no_cores(usual: Any) -> None:
    names = dict(usual.profile.versions)
    assert names["cuda"] == torch.version.cuda
    assert names["cudnn"] == str(torch.backends.cudnn.version())
    assert usual.profile.threads == 1
    assert usual.about.startswith(
        f"cuda {torch.cuda.get_device_name()}, float16, 16 rows per call, sdpa attention, exact"
    )


# ---- the flags of exact runs, and Stable Diffusion 1.5's architecture at the shapes that are rendered

SIZES = ((64, 64), (96, 64), (48, 85))  # latent height and width: 512x512, 512x768, 680x384


@pytest.fixture(scope="module")
def sd15() -> Iterator[Any]:
    """The engine of the default settings with seeded random weights."""
    found = engine.open(work.source_of("random_sd15"), Runtime(device="cuda"))
    yield found
    found.close()


def sd15_shot(**changes: Any) -> Shot:
    return replace(work.uniform("random_sd15", 6, 2)[0].shot, **changes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("exact", [True, False])
def test_every_precision_multiplies_under_the_flags(dtype: torch.dtype, exact: bool) -> None:
    """torch 2.10 and later refuse half precision on cuBLAS where split-K is forbidden: projections without bias."""
    where = device.prepare(Runtime(device="cuda", exact=exact)).where
    x = torch.randn(154, 320, device=where).to(dtype)
    w = torch.randn(320, 320, device=where).to(dtype)
    for product in (torch.mm(x, w), torch.nn.functional.linear(x[None], w), torch.bmm(x[None], w[None])):
        assert bool(torch.isfinite(product).all())


def test_an_exact_engine_leaves_no_choice_to_measuring(sd15: Any) -> None:
    assert sd15.profile.dtype == "float16"
    device.prepare(Runtime(device="cuda"))  # an earlier test may have asked for other flags
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_bits_are_equal_at_real_shapes(sd15: Any, height: int, width: int) -> None:
    raw = Raw(sd15)
    rows, row = raw.rows(height, width), raw.row(height, width)
    assert probe(raw.denoise, row, rows) == "exact"
    with torch.inference_mode():  # every slot, among other neighbours
        true = raw.denoise([row], rows)[0]
        others = [raw.row(height, width, seed) for seed in range(1, rows)]
        for slot in range(rows):
            moved = raw.denoise([*others[:slot], row, *others[slot:]], rows)[slot]
            assert torch.equal(true, moved), f"slot {slot}"


def test_a_call_that_gives_the_same_bits_gives_them_in_any_slot(sd15: Any) -> None:
    """Sizes of calls that the engine may take instead: whatever is found is equal, found or not."""
    raw = Raw(sd15)
    row, rows = raw.row(64, 64), raw.rows(64, 64)
    with torch.inference_mode():
        true = raw.denoise([row], rows)[0]
        for n in same_bits(raw.denoise, row, rows, tuple(n for n in (2, 4, 8, 12) if n < rows)):
            assert torch.equal(true, raw.denoise([raw.row(64, 64, 1)] * (n - 1) + [row], n)[-1])


def test_the_slot_in_a_vae_call_changes_no_byte(sd15: Any) -> None:
    raw, batch = Raw(sd15), sd15.profile.vae_batch
    for height, width in SIZES:
        first, *others = raw.latents(height, width, batch)
        alone = raw.decode([first], batch)[0].take()[0].copy()
        for slot in range(batch):
            latents = [*others[:slot], first, *others[slot:]]
            assert np.array_equal(raw.decode(latents, batch)[slot].take()[0], alone), f"slot {slot} of {height}x{width}"


def test_buckets_side_by_side_change_no_bits(sd15: Any) -> None:
    shots = [sd15_shot(seed=seed, width=w * 8, height=h * 8) for seed in (1, 2) for h, w in SIZES]
    together = digests(sd15, shots)
    assert digests(sd15, shots[::-1]) == together
    for one in shots[:3]:
        assert digests(sd15, [one])[one.id] == together[one.id]


def test_a_chain_has_the_same_bits_alone_and_in_a_batch(sd15: Any) -> None:
    parent = sd15_shot(seed=1)
    child = replace(parent, seed=2, start=Start(parent.id, 0.6))
    grandchild = replace(parent, seed=3, start=Start(child.id, 0.6))
    chain = [parent, child, grandchild]
    alone = digests(sd15, chain)
    among = digests(sd15, [*(sd15_shot(seed=seed) for seed in range(10, 20)), *chain])
    assert {one.id: among[one.id] for one in chain} == alone


def test_a_card_that_is_full_loses_nothing() -> None:
    """Not the allocator's limit: other memory fills the card, and the driver itself refuses more."""
    found = engine.open(work.source_of("random_sd15"), Runtime(device="cuda"))
    shots = [sd15_shot(seed=seed) for seed in range(20)]
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    render(found, shots)
    needed = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    ballast = torch.empty(free - needed // 2, dtype=torch.uint8, device="cuda")
    rows, batch = found.profile.rows, found.profile.vae_batch
    try:
        pictures = render(found, shots)
    finally:
        del ballast
        torch.cuda.empty_cache()
    assert len(pictures) == 20
    assert all(isinstance(p, Picture) for p in pictures.values())
    assert (found.profile.rows, found.profile.vae_batch) != (rows, batch)
    found.close()


def test_summed_kernels_take_at_most_the_time_of_their_launches() -> None:
    x = torch.randn(2048, 2048, device="cuda")
    torch.cuda.synchronize()
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def call() -> None:
        before.record()
        for _ in range(10):
            x @ x
        after.record()

    found = kernels.record(call)
    assert len(found) >= 10
    assert 0 < kernels.milliseconds(found) <= before.elapsed_time(after) * 1.05


def test_the_card_is_named_with_all_that_a_figure_depends_on() -> None:
    found = machine.describe()
    assert found["name"] == torch.cuda.get_device_name()
    assert found["cudnn"] == torch.backends.cudnn.version()
    assert found["memory_gb"] > 0


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
    assert all(graph is not None for graph in found.main.denoiser._graphs._graphs.values())
    assert all(graph is not None for graph in found._texts._call._graphs.values())
    assert len(found.main.denoiser._graphs._graphs) == 1
    plain = opened(folder, dtype=dtype)
    monkeypatch.setattr(plain.main.denoiser, "_graphs", None)
    monkeypatch.setattr(plain._texts, "_call", plain._texts._call._call)
    assert digests(plain, video) == graphed


def test_graphs_of_two_shapes_share_a_pool_and_keep_their_outputs() -> None:
    prepare(Runtime(device="cuda"))
    module = UNet(UNET).to("cuda", torch.float16, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
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
def test_xformers_that_does_not_load_is_reported(folder: Path, caplog: Any) -> None:
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
