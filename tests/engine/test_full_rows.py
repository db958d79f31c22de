"""Smaller calls with the bits of full ones, on processors where a 1x1 convolution depends on the number of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import denoiser
from sdbatch.engine.full_rows import FullRows, full_rows
from sdbatch.engine.nets.unet import UNet
from sdbatch.spec.renderer import Bucket, Picture
from tests.engine.models import UNET, breaks, faulty, render, shot, source


class Uneven(nn.Conv2d):
    """Its bits depend on the number of rows, as oneDNN's do on some processors."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1e-3 * len(x)


def uneven(parts: Any) -> Any:
    for part in parts.denoiser.modules():
        if isinstance(getattr(part, "conv_shortcut", None), nn.Conv2d):
            part.conv_shortcut.__class__ = Uneven
    return parts


@torch.inference_mode()
def test_a_small_call_is_computed_as_a_full_one() -> None:
    conv = Uneven(3, 5, 1)
    x = torch.randn(16, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    full = FullRows(conv, 16)(x)
    assert torch.equal(full, conv(x))
    for n in (1, 9):
        found = FullRows(conv, 16)(x[:n])
        assert torch.equal(found, full[:n])
        assert not torch.equal(conv(x[:n]), full[:n])
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_every_shortcut_has_all_rows_and_takes_another_number() -> None:
    module = UNet(UNET)
    count = sum(isinstance(getattr(m, "conv_shortcut", None), nn.Conv2d) for m in module.modules())
    assert full_rows(module, 16) == count > 3
    assert full_rows(module, 8) == count
    assert {m.rows for m in module.modules() if isinstance(m, FullRows)} == {8}
    assert not any(isinstance(m.conv, FullRows) for m in module.modules() if isinstance(m, FullRows))


@pytest.mark.parametrize("helped", [True, False])
@torch.inference_mode()
def test_smaller_calls_can_be_used(folder: Path, monkeypatch: pytest.MonkeyPatch, helped: bool) -> None:
    """As many sizes as if those convolutions did not depend on the number of rows."""
    plain = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1))
    faulty(monkeypatch, uneven)
    if not helped:
        monkeypatch.setattr(denoiser, "full_rows", lambda *_: 0)
    opened = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1))
    bucket = Bucket(8, 8, 1)
    assert opened._lane(bucket).find_tails() == (plain._lane(bucket).find_tails() if helped else ())


def test_with_half_the_rows_calls_are_those_of_a_fresh_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty(monkeypatch, uneven)
    halved, fresh = (engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=n)) for n in (8, 4))

    def spoil(rows: Any, size: int, out: list[Any]) -> None:
        if size > 4:
            raise torch.OutOfMemoryError("out of memory")

    breaks(monkeypatch, halved, spoil)
    (one,), (other,) = (render(e, [shot()]).values() for e in (halved, fresh))
    assert isinstance(one, Picture)
    assert isinstance(other, Picture)
    assert halved.profile.rows == 4
    assert (one.pixels == other.pixels).all()


@pytest.mark.parametrize(("runtime", "there"), [({}, True), ({"chain_rows": 2}, False)])
def test_calls_of_a_chains_size_keep_their_bits(folder: Path, runtime: dict[str, Any], there: bool) -> None:
    opened = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, **runtime))
    assert any(isinstance(m, FullRows) for m in opened.main.denoiser._module.modules()) is there
