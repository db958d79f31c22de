"""CUDA graphs behind the interface of a call, with a stand-in that records on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sdbatch.engine.denoise import Row
from sdbatch.engine.denoiser import Denoiser
from sdbatch.engine.graphs import Graphs
from sdbatch.engine.nets.unet import UNet
from sdbatch.engine.stats import Stats
from sdbatch.engine.text import Texts
from sdbatch.prompts.vocabulary import Vocabulary
from tests.engine.models import CLIP, UNET

CPU = torch.device("cpu")


class StandIn:
    """Records as CUDA does: the function runs once, later its work is done anew on the very tensors it read."""

    def __init__(self, change: float = 0.0, error: Exception | None = None) -> None:
        self.change, self.error = change, error
        self.recorded = self.replayed = 0

    def __call__(self, function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        if self.error:
            raise self.error
        self.recorded += 1
        output = function()

        def replay() -> None:
            self.replayed += 1
            output.copy_(function() + self.change)

        return replay, output


def inputs(seed: int, rows: int = 2) -> tuple[Tensor, Tensor]:
    dice = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 4, generator=dice), torch.randn(rows, 4, generator=dice)


def add(a: Tensor, b: Tensor) -> Tensor:
    return a * 2 + b


def test_calls_are_replayed_with_what_they_are_given() -> None:
    stand_in = StandIn()
    call = Graphs(add, stand_in)
    first = call(*inputs(0))
    kept = [call(*inputs(i)) for i in (1, 2)]
    assert torch.equal(first, add(*inputs(0)))
    assert all(torch.equal(out, add(*inputs(i))) for i, out in zip((1, 2), kept, strict=True))  # not overwritten
    assert (stand_in.recorded, stand_in.replayed) == (1, 3)  # one of them compared


def test_each_shape_is_recorded_once() -> None:
    stand_in = StandIn()
    call = Graphs(add, stand_in)
    for rows in (2, 3, 2, 3):
        assert torch.equal(call(*inputs(5, rows)), add(*inputs(5, rows)))
    assert stand_in.recorded == 2


@pytest.mark.parametrize(
    ("stand_in", "message"),
    [
        (StandIn(change=1e-6), "without a CUDA graph: it gives other bits"),
        (StandIn(error=RuntimeError("operation not permitted when stream is capturing\nmore")), "is capturing"),
        (StandIn(error=torch.OutOfMemoryError("CUDA out of memory")), "out of memory"),
    ],
)
def test_a_graph_that_is_not_the_same_is_not_used(stand_in: StandIn, message: str, caplog: Any) -> None:
    call = Graphs(add, stand_in)
    with caplog.at_level(logging.WARNING):
        for seed in (0, 1, 2):
            assert torch.equal(call(*inputs(seed)), add(*inputs(seed)))
    assert [message in record.message for record in caplog.records] == [True]
    assert "more" not in caplog.text


def row(i: int) -> Row:
    dice = torch.Generator().manual_seed(i)
    return Row(torch.randn(4, 8, 8, generator=dice), 10.0 * i, torch.randn(77, 32, generator=dice))


@torch.inference_mode()
def test_the_denoiser_replays_calls_of_one_size_only() -> None:
    torch.manual_seed(0)
    denoiser, stand_in = Denoiser(UNet(UNET), CPU, Stats()), StandIn()
    plain = {size: [denoiser([row(i), row(i + 1)], size) for i in range(3)] for size in (2, 4)}
    denoiser.graph(2, stand_in)
    for size, want in plain.items():
        for i in range(3):
            assert all(map(torch.equal, denoiser([row(i), row(i + 1)], size), want[i]))
    assert (stand_in.recorded, stand_in.replayed) == (1, 3)


@torch.inference_mode()
def test_texts_are_replayed(opened: Any) -> None:
    same, stand_in = opened.main.texts, StandIn()
    texts = Texts(same._encoder, Vocabulary.load(CLIP), 75, CPU, Stats())
    texts.graph(stand_in)
    for words in ("a cat", "a (red:1.3) boat", "a cat", "fog"):
        assert torch.equal(texts.embedding(words), same.embedding(words))
    assert (stand_in.recorded, stand_in.replayed) == (1, 3)
