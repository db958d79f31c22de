"""Group norms of bfloat16 networks on a CPU: computed in float32 where that is faster, closer to float32's result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import norms
from tests.engine.models import source

CPU, BF16 = torch.device("cpu"), torch.bfloat16


def given(groups: int, channels: int, side: int, rows: int = 3) -> tuple[nn.GroupNorm, torch.Tensor]:
    torch.manual_seed(0)
    norm = nn.GroupNorm(groups, channels).to(BF16)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(rows, channels, side, side).to(BF16, memory_format=torch.channels_last)
    return norm.requires_grad_(False), x


def test_the_result_is_float32s_rounded_once() -> None:
    norm, x = given(4, 12, 8)
    want = nn.functional.group_norm(x.float(), 4, norm.weight.float(), norm.bias.float(), norm.eps)
    found = norms.Float32Norm(norm)(x)
    assert found.dtype == BF16
    assert torch.equal(found, want.to(BF16))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_row_larger_than_the_caches_stays_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the size of one row: the number of rows decides nothing."""
    norm, x = given(4, 12, 16, rows=8)
    row = x[0].numel()
    for largest, want in ((row, norms.Float32Norm(norm)(x)), (row - 1, norm(x))):
        monkeypatch.setattr(norms, "LARGEST", largest)
        for rows in (1, 8):
            assert torch.equal(norms.Float32Norm(norm)(x[:rows]), want[:rows])
    assert not torch.equal(norms.Float32Norm(norm)(x), nn.functional.group_norm(x.float(), 4).to(BF16))


def test_only_norms_that_float32_makes_faster_are_replaced() -> None:
    module = nn.Sequential(nn.GroupNorm(2, 6), nn.GroupNorm(2, 32), nn.Sequential(nn.GroupNorm(4, 12), nn.LayerNorm(6)))
    assert norms.norms_in_float32(module) == 2
    kinds = [type(m).__name__ for m in module.modules() if not isinstance(m, nn.Sequential)]
    assert kinds == ["Float32Norm", "GroupNorm", "GroupNorm", "Float32Norm", "GroupNorm", "LayerNorm"]


@pytest.mark.parametrize(("dtype", "named"), [("float32", False), ("bfloat16", True)])
def test_the_profile_names_them_only_where_bits_differ(folder: Path, dtype: Any, named: bool) -> None:
    """A float32 profile keeps the digest of earlier versions."""
    opened = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=4, dtype=dtype))
    assert (norms.VERSION in opened.profile.versions) is named
    assert any(isinstance(m, norms.Float32Norm) for m in opened.main.denoiser._module.modules()) is named


@pytest.mark.parametrize(
    ("device", "dtype", "there"),
    [("cpu", BF16, True), ("cpu", torch.float32, False), ("cuda", BF16, False), ("mps", BF16, False)],
)
def test_where_norms_are_replaced(device: str, dtype: torch.dtype, there: bool) -> None:
    assert norms.applies(torch.device(device), dtype) is there
