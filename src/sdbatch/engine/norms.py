"""Group norms in float32 inside a bfloat16 network on a CPU, where that is faster.

torch's kernel for bfloat16 in channels-last memory takes 2–3 times as long as float32's, conversion included, unless
the channels of a group fill its vectors or the tensor is larger than the caches. So the choice depends on the size of
one row, never on the number of rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own convention)

LANES = 16  # channels of a group that torch's kernel for bfloat16 computes at a time
LARGEST = 2**19  # elements of a row; above it the float32 copy costs more than it saves
VERSION = ("group norms", "float32")  # in the profile, because their bits differ from bfloat16's


class Float32Norm(nn.Module):
    """``norm``, computed in float32 for rows up to ``LARGEST``; its result has the precision of its input."""

    weight: Tensor
    bias: Tensor

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm
        self.register_buffer("weight", norm.weight.detach().float())
        self.register_buffer("bias", norm.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        if x[0].numel() > LARGEST:
            out: Tensor = self.norm(x)
            return out
        return F.group_norm(x.float(), self.norm.num_groups, self.weight, self.bias, self.norm.eps).to(x.dtype)


def norms_in_float32(module: nn.Module) -> int:
    """Replace the group norms of ``module`` for which float32 is faster; returns their number."""
    found = [(parent, name, child) for parent in module.modules() for name, child in parent.named_children()]
    slow = [(parent, name, child) for parent, name, child in found if isinstance(child, nn.GroupNorm) and _slow(child)]
    for parent, name, norm in slow:
        setattr(parent, name, Float32Norm(norm))
    return len(slow)


def _slow(norm: nn.GroupNorm) -> bool:
    return norm.affine and bool(norm.num_channels // norm.num_groups % LANES)


def applies(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether networks in ``dtype`` on ``device`` get such norms."""
    return device.type == "cpu" and dtype == torch.bfloat16
