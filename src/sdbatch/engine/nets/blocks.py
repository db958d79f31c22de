"""The blocks of U-Net and VAE: residual blocks, attention, transformers, and convolutions that change the size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own convention)

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]  # query, key, value and result: (rows, heads, length, head width)


class ResBlock(nn.Module):
    """GroupNorm, SiLU, convolution, twice; ``temb`` channels of an embedded time are added between (0: none)."""

    def __init__(self, inside: int, out: int, temb: int, groups: int, eps: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inside, eps)
        self.conv1 = nn.Conv2d(inside, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(temb, out) if temb else None
        self.norm2 = nn.GroupNorm(groups, out, eps)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inside, out, 1) if inside != out else None

    def forward(self, x: Tensor, temb: Tensor | None = None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time_emb_proj is not None and temb is not None:
            h = h + self.time_emb_proj(F.silu(temb))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        out: Tensor = (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h
        return out


class Attention(nn.Module):
    """Of ``width`` channels to ``context`` channels in ``heads`` heads. ``kernel`` may be exchanged. With ``groups``
    it has a norm for its input, and biases: the VAE's."""

    def __init__(self, width: int, context: int, heads: int, groups: int = 0) -> None:
        super().__init__()
        bias = bool(groups)
        if groups:
            self.group_norm = nn.GroupNorm(groups, width, 1e-6)
        self.heads = heads
        self.kernel: Kernel = F.scaled_dot_product_attention
        self.to_q = nn.Linear(width, width, bias)
        self.to_k = nn.Linear(context, width, bias)
        self.to_v = nn.Linear(context, width, bias)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        q, k, v = (self._split(t) for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        joined: Tensor = self.to_out[0](self.kernel(q, k, v).transpose(1, 2).reshape(x.shape))
        return joined

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], -1, self.heads, x.shape[-1] // self.heads).transpose(1, 2)


class GEGLU(nn.Module):
    """Gated GELU (Shazeer 2020)."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, out * 2)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([GEGLU(width, width * 4), nn.Identity(), nn.Linear(width * 4, width)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net[2](self.net[0](x))
        return out


class TransformerBlock(nn.Module):
    """Self-attention, attention to the text, feed-forward."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, context, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        x = self.attn1(self.norm1(x)) + x
        x = self.attn2(self.norm2(x), text) + x
        out: Tensor = self.ff(self.norm3(x)) + x
        return out


class Transformer(nn.Module):
    """A TransformerBlock over the positions of a feature map (rows, channels, height, width)."""

    def __init__(self, width: int, context: int, heads: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, 1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width, context, heads)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        rows, channels, height, width = x.shape
        h = self.proj_in(self.norm(x)).permute(0, 2, 3, 1).reshape(rows, height * width, channels)
        h = self.transformer_blocks[0](h, text)
        h = h.reshape(rows, height, width, channels).permute(0, 3, 1, 2).contiguous()
        out: Tensor = self.proj_out(h) + x
        return out


class Down(nn.Module):
    """Half the size. ``padding`` 0 pads right and below only, as the VAE does."""

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x if self.conv.padding != (0, 0) else F.pad(x, (0, 1, 0, 1)))
        return out


class Up(nn.Module):
    """To ``size`` (height, width), or twice the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        if x.numel() * 4 > 2**31:  # torch's channels-last kernel counts in 32 bits (pytorch issue 141831)
            x = x.contiguous()
        h, w = x.shape[-2:]
        out: Tensor = self.conv(F.interpolate(x, size=size or (h * 2, w * 2), mode="nearest"))
        return out


def set_kernel(module: nn.Module, kernel: Kernel) -> int:
    """Make every Attention inside ``module`` use ``kernel``; returns their number."""
    found = [part for part in module.modules() if isinstance(part, Attention)]
    for part in found:
        part.kernel = kernel
    return len(found)


def dtype_of(module: nn.Module) -> torch.dtype:
    found: torch.dtype = next(module.parameters()).dtype
    return found
