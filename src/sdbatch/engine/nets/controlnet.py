"""ControlNet (Zhang et al. 2023): a copy of the denoiser's encoder that reads a picture beside the latent.

Its residuals are added to the skip connections and to the middle of the denoiser. The parameter names are those of
diffusers. The picture is embedded apart (``embed``), because that does not depend on time.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch.engine.nets import unet
from sdbatch.engine.nets.blocks import dtype_of
from sdbatch.engine.nets.unet import OWN, Shape, TimeEmbedding, encoder

CHANNELS = "conditioning_embedding_out_channels"
EMBEDDING = (16, 32, 96, 256)  # channels of the picture's embedding; each after the first halves the size


def serves(config: dict[str, Any]) -> bool:
    """Whether ``config`` describes this network."""
    return unet.serves({key: value for key, value in config.items() if key != CHANNELS})


class PictureEmbedding(nn.Module):
    """From pixels (rows, 3, height, width) in [0, 1] to the size and width of the first level."""

    def __init__(self, out: int, channels: tuple[int, ...], inside: int = 3) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(inside, channels[0], 3, padding=1)
        blocks: list[nn.Module] = []
        for narrow, wide in pairwise(channels):
            blocks += [nn.Conv2d(narrow, narrow, 3, padding=1), nn.Conv2d(narrow, wide, 3, stride=2, padding=1)]
        self.blocks = nn.ModuleList(blocks)
        self.conv_out = nn.Conv2d(channels[-1], out, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = F.silu(self.conv_in(pixels))
        for block in self.blocks:
            x = F.silu(block(x))
        out: Tensor = self.conv_out(x)
        return out


class ControlNet(nn.Module):
    """``config``: the denoiser's (``unet.serves``), and ``CHANNELS``."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = c = OWN | config
        widths, shape = list(c["block_out_channels"]), Shape(c)
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], shape.temb)
        channels = tuple(c.get(CHANNELS, EMBEDDING))
        self.controlnet_cond_embedding = PictureEmbedding(widths[0], channels)
        self.down_blocks, self.mid_block, kept = encoder(c, shape)
        self.controlnet_down_blocks = nn.ModuleList([nn.Conv2d(width, width, 1) for width in kept])
        self.controlnet_mid_block = nn.Conv2d(widths[-1], widths[-1], 1)

    @property
    def dtype(self) -> torch.dtype:
        return dtype_of(self)

    def embed(self, pixels: Tensor) -> Tensor:
        """What ``forward`` needs of a picture (rows, 3, height, width), in [0, 1]."""
        out: Tensor = self.controlnet_cond_embedding(pixels)
        return out

    def forward(
        self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, embedded: Tensor
    ) -> list[Tensor]:
        """The residuals of the skip connections, in order, and of the middle; other arguments as the denoiser's."""
        temb = self.time_embedding(timestep, sample.dtype)
        kept = [self.conv_in(sample) + embedded]
        for down in self.down_blocks:
            kept += down(kept[-1], temb, encoder_hidden_states)
        middle = self.controlnet_mid_block(self.mid_block(kept[-1], temb, encoder_hidden_states))
        return [zero(x) for zero, x in zip(self.controlnet_down_blocks, kept, strict=True)] + [middle]
