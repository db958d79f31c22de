"""Lets smaller calls give the bits of full ones on a CPU: the shortcuts' 1x1 convolutions always have all rows.

oneDNN chooses the blocks of a 1x1 convolution by the number of rows, and with them the order of its sums; on some
processors this is the only difference between a call of 16 rows and one of 9. These convolutions are a small part of a
call. Whether smaller calls then give the same bits is tested (``selftest.same_bits``), not assumed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FullRows(nn.Module):
    """``conv`` on at least ``rows`` rows; the result has as many as its input."""

    def __init__(self, conv: nn.Conv2d, rows: int) -> None:
        super().__init__()
        self.conv = conv
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        missing = self.rows - len(x)
        if missing <= 0:
            out: Tensor = self.conv(x)
            return out
        padded = torch.cat([x, x[:1].expand(missing, *x.shape[1:])]).contiguous(memory_format=torch.channels_last)
        full: Tensor = self.conv(padded)
        return full[: len(x)]


def full_rows(module: nn.Module, rows: int) -> int:
    """Let the shortcuts of ``module`` compute ``rows`` rows, whatever it was before; returns their number."""
    blocks = [part for part in module.modules() if isinstance(getattr(part, "conv_shortcut", None), nn.Conv2d)]
    for block in blocks:
        block.conv_shortcut = FullRows(block.conv_shortcut, rows)  # type: ignore[arg-type]
    found = [part for part in module.modules() if isinstance(part, FullRows)]
    for part in found:
        part.rows = rows
    return len(found)
