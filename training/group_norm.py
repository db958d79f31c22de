"""Group normalization with a fast backward pass on the CPU, for training with channels last.

Of a training step of the autoencoder, torch's own backward pass took a third. Statistics are computed in float32.
"""

from __future__ import annotations

from typing import Any

import torch


class _Normalise(torch.autograd.Function):
    """The function of https://arxiv.org/abs/1803.08494 as one scale and one shift for each channel of each picture."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, like: torch.nn.GroupNorm
    ) -> torch.Tensor:
        batch, channels = x.shape[:2]
        size, groups = x[0, 0].numel(), like.num_groups
        y, mean, inverse = torch.native_group_norm(x, weight, bias, batch, channels, size, groups, like.eps)
        ctx.save_for_backward(x, weight, _spread(mean.float(), channels), _spread(inverse.float(), channels))
        ctx.groups = groups
        return y

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        channels, size = x.shape[1], x[0].numel() / ctx.groups
        total = g.sum((2, 3), dtype=torch.float32)
        moment = (g * x).sum((2, 3), dtype=torch.float32)
        of_weight = (moment - mean * total) * inverse
        level = _spread(_grouped(total * weight, ctx.groups), channels) / size
        slope = _spread(_grouped(of_weight * weight, ctx.groups), channels) / size
        along = -inverse.square() * slope
        shift = -inverse * level - along * mean
        dx = torch.addcmul(g * _planes(inverse * weight, g) + _planes(shift, g), x, _planes(along, x))
        return dx, of_weight.sum(0), total.sum(0), None


def _grouped(v: torch.Tensor, groups: int) -> torch.Tensor:
    """Sums over the channels of each group."""
    return v.reshape(len(v), groups, -1).sum(2)


def _spread(v: torch.Tensor, channels: int) -> torch.Tensor:
    """The number of a group at each of its channels."""
    return v.repeat_interleave(channels // v.shape[1], 1)


def _planes(v: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return v.to(like.dtype)[:, :, None, None]


class GroupNorm(torch.nn.GroupNorm):
    """A drop-in replacement for pictures (batch, channels, height, width)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim != 4:
            return super().forward(x)
        out: torch.Tensor = _Normalise.apply(x, self.weight, self.bias, self)
        return out


def replace_norms(module: torch.nn.Module) -> None:
    """Make every group normalization inside use the fast backward pass."""
    for part in module.modules():
        if type(part) is torch.nn.GroupNorm:
            part.__class__ = GroupNorm
