"""Stable Diffusion's autoencoder (KL): decodes latents to pictures and encodes pictures to latents."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch.engine.nets.blocks import Attention, Down, ResBlock, Up, dtype_of

EPS = 1e-6
OWN: dict[str, Any] = {  # keys that this network has, with diffusers' defaults
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (64,),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
    "shift_factor": None,
    "use_quant_conv": True,
    "use_post_quant_conv": True,
}
FIXED: dict[str, Any] = {"act_fn": "silu", "latents_mean": None, "latents_std": None, "mid_block_add_attention": True}
WITHOUT_EFFECT = ("sample_size", "force_upcast")
KINDS = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}


def serves(config: dict[str, Any]) -> bool:
    """Whether ``config`` (diffusers' keys) describes this network."""
    return all(_serves(key, value, config) for key, value in config.items())


def _serves(key: str, value: Any, config: dict[str, Any]) -> bool:
    if key in KINDS:
        return list(value) == [KINDS[key]] * len(config.get("block_out_channels", OWN["block_out_channels"]))
    return key in OWN or key in WITHOUT_EFFECT or key.startswith("_") or (key in FIXED and value == FIXED[key])


class Picture(NamedTuple):
    """The result of ``decode``: ``sample`` (pictures, 3, height, width) in −1…1."""

    sample: Tensor


class Distribution(NamedTuple):
    mean: Tensor

    def mode(self) -> Tensor:
        return self.mean


class Encoded(NamedTuple):
    latent_dist: Distribution


class MiddleAttention(Attention):
    """Self-attention with one head over the positions of a feature map, with a residual connection."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__(width, width, 1, groups)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        places = x.view(*x.shape[:2], -1)
        out = super().forward(self.group_norm(places).transpose(1, 2))
        return out.transpose(-1, -2).reshape(x.shape) + x


class Middle(nn.Module):
    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([MiddleAttention(width, groups)])
        self.resnets = nn.ModuleList([ResBlock(width, width, 0, groups, EPS) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.resnets[1](self.attentions[0](self.resnets[0](x)))
        return out


class Level(nn.Module):
    """Residual blocks, then ``change`` of the size (named as diffusers names it)."""

    def __init__(self, resnets: list[ResBlock], name: str, change: list[nn.Module]) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.add_module(name, nn.ModuleList(change))
        self._after = name

    def forward(self, x: Tensor) -> Tensor:
        for part in (*self.resnets, *getattr(self, self._after)):
            x = part(x)
        return x


class Half(nn.Module):
    """The common base of encoder and decoder."""

    def __init__(self, first: tuple[int, int]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(*first, 3, padding=1)

    def close(self, middle: int, groups: int, last: tuple[int, int]) -> None:
        """Add the middle block and the output layers."""
        self.mid_block = Middle(middle, groups)
        self.conv_norm_out = nn.GroupNorm(groups, last[0], EPS)
        self.conv_out = nn.Conv2d(*last, 3, padding=1)

    def end(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv_out(F.silu(self.conv_norm_out(x)))
        return out


class Encoder(Half):
    def __init__(self, c: dict[str, Any]) -> None:
        widths, groups = list(c["block_out_channels"]), c["norm_num_groups"]
        super().__init__((c["in_channels"], widths[0]))
        levels = []
        for i, width in enumerate(widths):
            inside = [widths[max(i - 1, 0)], *[width] * (c["layers_per_block"] - 1)]
            change = [Down(width, 0)] if i + 1 < len(widths) else []
            levels.append(Level([ResBlock(n, width, 0, groups, EPS) for n in inside], "downsamplers", [*change]))
        self.down_blocks = nn.ModuleList(levels)
        self.close(widths[-1], groups, (widths[-1], 2 * c["latent_channels"]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        return self.end(self.mid_block(x))


class Decoder(Half):
    def __init__(self, c: dict[str, Any]) -> None:
        widths, groups = list(c["block_out_channels"])[::-1], c["norm_num_groups"]
        super().__init__((c["latent_channels"], widths[0]))
        levels = []
        for i, width in enumerate(widths):
            inside = [widths[max(i - 1, 0)], *[width] * c["layers_per_block"]]
            change = [Up(width)] if i + 1 < len(widths) else []
            levels.append(Level([ResBlock(n, width, 0, groups, EPS) for n in inside], "upsamplers", [*change]))
        self.up_blocks = nn.ModuleList(levels)
        self.close(widths[0], groups, (widths[-1], c["out_channels"]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        return self.end(x)


class Autoencoder(nn.Module):
    """``config``: diffusers' keys; see ``serves``. Called as diffusers' AutoencoderKL."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = c = OWN | config
        self.encoder = Encoder(c)
        self.decoder = Decoder(c)
        n = c["latent_channels"]
        self.quant_conv = nn.Conv2d(2 * n, 2 * n, 1) if c["use_quant_conv"] else None
        self.post_quant_conv = nn.Conv2d(n, n, 1) if c["use_post_quant_conv"] else None

    @property
    def dtype(self) -> torch.dtype:
        return dtype_of(self)

    def encode(self, x: Tensor) -> Encoded:
        """``x`` (pictures, 3, height, width) in −1…1."""
        h = self.encoder(x)
        h = h if self.quant_conv is None else self.quant_conv(h)
        return Encoded(Distribution(h.chunk(2, dim=1)[0]))

    def decode(self, z: Tensor) -> Picture:
        """``z`` (pictures, channels, height / 8, width / 8)."""
        return Picture(self.decoder(z if self.post_quant_conv is None else self.post_quant_conv(z)))
