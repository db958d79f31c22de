"""What torch says when memory runs out or a GPU is lost, simulated: torch has several words for the one."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import gpu_errors, torch_engine, weights
from sdbatch.engine.denoise import Row
from sdbatch.engine.gpu_errors import is_lost, is_out_of_memory, watched
from sdbatch.errors import DeviceLost, RenderError
from sdbatch.spec.renderer import Failure, Picture
from sdbatch.spec.start import Start
from tests.engine.models import ListFeed, breaks, render, shot, source

FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("FIND was unable to find an engine to execute this computation after trying 12 plans."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)"),
]
ILLEGAL = torch.AcceleratorError(
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported"
)


@pytest.fixture
def small(folder: Path) -> Any:
    return engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=8))


@pytest.mark.parametrize("error", FULL, ids=lambda e: str(e)[:30])
def test_out_of_memory_has_many_words(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_lost(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("CUDA out of memory"), ILLEGAL]
)
def test_other_errors_are_not_out_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert is_lost(error) == (error is ILLEGAL)


@pytest.mark.parametrize("error", FULL[1:5], ids=lambda e: str(e)[:30])
def test_all_of_them_halve_the_rows(small: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def spoil(rows: Sequence[Row], size: int, out: list[Any]) -> None:
        if size > 4:
            raise error

    breaks(monkeypatch, small, spoil)
    found = render(small, [shot(seed=i) for i in range(3)])
    assert [type(r) for r in found.values()] == [Picture] * 3
    assert small.profile.rows == 4


def test_memory_that_ran_out_unseen_halves_the_rows(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN catches the allocator's error and goes on with another algorithm: only the count tells."""
    refused = 0

    def spoil(rows: Sequence[Row], size: int, out: list[Any]) -> None:
        nonlocal refused
        refused += size > 4

    breaks(monkeypatch, small, spoil)
    monkeypatch.setattr(small._calls, "_guard", lambda: watched(lambda: refused))
    found = render(small, [shot(seed=i) for i in range(3)])
    assert [type(r) for r in found.values()] == [Picture] * 3
    assert small.profile.rows == 4
    assert refused == 1  # the first call told


def test_memory_that_ran_out_unseen_while_a_picture_is_encoded(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, refused = small.main.vae.encode, 0

    def short(pixels: Any) -> torch.Tensor:
        nonlocal refused
        refused += small.profile.rows > 4
        out: torch.Tensor = encode(pixels)
        return out

    monkeypatch.setattr(small.main.vae, "encode", short)
    monkeypatch.setattr(small, "_guard", lambda: watched(lambda: refused))
    parent = shot()
    found = render(small, [parent, shot(seed=2, start=Start(parent.id, 0.5))])
    assert [type(r) for r in found.values()] == [Picture] * 2
    assert small.profile.rows == 4


@pytest.mark.parametrize("exact", [True, False])
def test_calls_are_watched_where_bits_are_promised(folder: Path, monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    """With runtime.exact=false cuDNN tries algorithms, and those that lack memory are not trouble."""
    asked: list[torch.device] = []
    monkeypatch.setattr(torch_engine, "ooms", lambda device: asked.append(device) or 0)
    found = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=4, exact=exact))
    assert isinstance(next(iter(render(found, [shot(steps=2)]).values())), Picture)
    assert bool(asked) == exact


def test_the_count_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_errors.ooms(torch.device("cpu")) == 0
    monkeypatch.setattr(torch.cuda, "memory_stats_as_nested_dict", lambda device: {"num_ooms": 3})
    assert gpu_errors.ooms(torch.device("cuda", 0)) == 3


def test_memory_that_lacks_for_the_self_test_ends_the_run(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is in hand that could be blamed: no endless attempts."""

    def full(*_: Any) -> str:
        raise FULL[0]

    monkeypatch.setattr(small.main.exactness, "denoiser", full)
    with pytest.raises(RenderError, match="out of memory even with one row per call: CUDA out of memory"):
        render(small, [shot()])
    assert small.profile.rows == 1


@pytest.mark.parametrize("error", FULL[:2])
def test_a_model_that_does_not_fit_is_not_a_traceback(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(weights, "load_part", full)
    with pytest.raises(RenderError, match=r"out of memory while the model was loaded: CUDA .*\n.*runtime\.device=cpu"):
        engine.open(source(folder), Runtime(device="cpu", threads=1))


def test_a_lost_gpu_is_reported_and_blames_no_shot(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def spoil(rows: Sequence[Row], size: int, out: list[Any]) -> None:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise ILLEGAL

    breaks(monkeypatch, small, spoil)
    results = []
    with pytest.raises(DeviceLost, match="the GPU stopped working: CUDA error: an illegal memory access was enc"):
        results += small.render(ListFeed([shot(seed=i) for i in range(20)], small.bucket))
    assert not any(isinstance(r, Failure) for r in results)
    assert small.profile.rows == 8


def test_a_lost_gpu_while_the_model_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any) -> Any:
        raise ILLEGAL

    monkeypatch.setattr(weights, "load_part", lost)
    with pytest.raises(DeviceLost):
        engine.open(source(folder), Runtime(device="cpu", threads=1))


def test_a_closed_engine_holds_no_network(folder: Path) -> None:
    """The engine itself may still be referred to, as in a run of several jobs."""
    found = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1))
    render(found, [shot(steps=1), shot(steps=1, seed=2, start=Start("jmissing", 0.5))])
    networks = {
        "denoiser": weakref.ref(found.main.denoiser._call),
        "VAE": weakref.ref(found.main.vae._module),
        "text encoder": weakref.ref(found.main.texts._encoder),
    }
    found.close()
    assert {name: ref() is None for name, ref in networks.items()} == dict.fromkeys(networks, True)
