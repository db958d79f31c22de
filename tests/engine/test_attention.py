"""Which attention kernels are tried on which card, and xformers with a stand-in for it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import attention, torch_engine
from sdbatch.engine.attention import Order, order_for
from sdbatch.engine.nets.unet import UNet
from sdbatch.engine.selftest import Exactness
from tests.engine.models import UNET, source


@pytest.mark.parametrize(
    ("device", "capability", "named"),
    [
        ("cuda", (9, 0), "sdpa: cudnn, flash, efficient, math"),
        ("cuda", (10, 3), "sdpa: cudnn, flash, efficient, math"),
        ("cuda", (8, 9), "sdpa: flash, efficient, math"),
        ("cuda", (7, 5), "sdpa: flash, efficient, math"),
        ("cpu", (0, 0), "sdpa"),
    ],
)
def test_the_order_is_a_function_of_the_card(device: str, capability: tuple[int, int], named: str) -> None:
    assert str(order_for(device, capability)) == named


def test_torch_gets_the_order_and_returns_it() -> None:
    before = torch._C._get_sdp_priority_order()
    with order_for("cuda", (9, 0))():
        order = torch._C._get_sdp_priority_order()
        flash, efficient, cudnn = (
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cuda.mem_efficient_sdp_enabled(),
            torch.backends.cuda.cudnn_sdp_enabled(),
        )
    named = torch.nn.attention.SDPBackend.__members__
    wanted = ("CUDNN_ATTENTION", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "MATH")
    assert order[:4] == [int(named[name]) for name in wanted]  # type: ignore[call-overload]
    assert flash
    assert efficient
    assert cudnn
    assert torch._C._get_sdp_priority_order() == before
    with order_for("cuda", (8, 0))():
        assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_cudnns_kernel_is_taken_out_once() -> None:
    order = order_for("cuda", (9, 0))
    assert order.without_cudnn()
    assert str(order) == "sdpa: flash, efficient, math"
    assert not order.without_cudnn()


@pytest.mark.parametrize("failure", ["bits depend on neighbours", RuntimeError("No available kernel")])
def test_the_self_test_judges_cudnns_attention(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, failure: Any
) -> None:
    """On a card where it fails the next kernel is judged in its place, and is what the profile names."""
    judged = []

    def denoiser(self: Exactness, *_: Any) -> str:
        judged.append(str(orders[0]))
        if "cudnn" in judged[-1]:
            if isinstance(failure, Exception):
                raise failure
            return str(failure)
        return "exact"

    orders = [Order(("cudnn", "flash", "efficient", "math"))]
    monkeypatch.setattr(Exactness, "denoiser", denoiser)
    monkeypatch.setattr(torch_engine, "order_for", lambda *_: orders[0])
    with caplog.at_level(logging.WARNING):
        opened = engine.open(source(folder), Runtime(device="cpu", threads=1))
    assert judged == ["sdpa: cudnn, flash, efficient, math", "sdpa: flash, efficient, math"]
    assert (opened.profile.attention, opened.profile.exact) == ("sdpa: flash, efficient, math", "exact")
    assert "cuDNN's attention failed the self-test" in caplog.text


def stand_in(monkeypatch: pytest.MonkeyPatch, refuse: torch.dtype | int | None = None) -> list[tuple[Any, ...]]:
    """A module in the place of xformers.ops: (rows, length, heads, width) as there; what it was called with."""
    seen = []

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        seen.append((q.dtype, tuple(q.shape), tuple(k.shape)))
        if refuse is not None and refuse in (q.dtype, q.shape[-1]):
            raise NotImplementedError("No operator found for this attention\nlong story")
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)

    package, ops = ModuleType("xformers"), ModuleType("xformers.ops")
    ops.memory_efficient_attention = attend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xformers", package)
    monkeypatch.setitem(sys.modules, "xformers.ops", ops)
    return seen


def test_the_probe_tries_all_that_a_model_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch)
    assert attention.broken("cpu") is None
    assert {(dtype, shape[-1]) for dtype, shape, _ in seen} == {
        (dtype, width) for dtype in (torch.float16, torch.bfloat16, torch.float32) for width in (40, 80, 160)
    }


@pytest.mark.parametrize("refuse", [torch.float32, 160])
def test_xformers_that_does_not_run_continues_with_sdpa(
    monkeypatch: pytest.MonkeyPatch, refuse: Any, caplog: Any
) -> None:
    stand_in(monkeypatch, refuse)
    true = attention.broken
    monkeypatch.setattr(attention, "broken", lambda: true("cpu"))
    with caplog.at_level(logging.WARNING):
        assert attention.choose("xformers", "cuda") == "sdpa"
    assert "No operator found" in caplog.text
    assert "continuing with sdpa" in caplog.text
    assert "long story" not in caplog.text


def test_xformers_that_is_not_there_continues_with_sdpa(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setitem(sys.modules, "xformers.ops", None)
    monkeypatch.setattr(attention, "broken", lambda true=attention.broken: true("cpu"))
    with caplog.at_level(logging.WARNING):
        assert attention.choose("xformers", "cuda") == "sdpa"
    assert "not installed" in caplog.text


def test_xformers_is_imported_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch)
    assert attention.choose("auto", "cuda") == attention.choose("sdpa", "cuda") == "sdpa"
    assert seen == []


@torch.inference_mode()
def test_every_attention_goes_through_xformers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch)
    torch.manual_seed(0)
    module = UNet(UNET)
    given = (torch.randn(2, 4, 8, 8), torch.tensor([5.0, 700.0]), torch.randn(2, 77, 32))
    plain = module(*given)[0]
    attention.use_xformers(module)
    assert torch.equal(module(*given)[0], plain)
    assert [shapes for _, *shapes in seen[:2]] == [[(2, 64, 2, 16), (2, 64, 2, 16)], [(2, 64, 2, 16), (2, 77, 2, 16)]]
    assert len(seen) == 8
