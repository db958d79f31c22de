"""The autoencoder for large pictures, in tiles: the same numbers as the whole, in a fraction of the memory.

A network is cut where its feature maps are smallest into segments, and only what passes from one to the next is kept
whole. Inside a segment tiles are computed one after the other, each with as many positions around it as convolutions
see, so tiles have no seams. Norms need the mean and the variance of the whole map: every norm of a segment has a pass
over all tiles of its own, which measures what reaches it. That costs time: the end of a segment is computed once, its
beginning once for every norm. (Tiled VAE of the multidiffusion extension for A1111 keeps all tiles' maps instead.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, starmap
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch.engine.nets.blocks import Down, ResBlock, Up
from sdbatch.engine.nets.vae import Autoencoder
from sdbatch.engine.spans import Span, spans

LIMIT = 4 * 2**30  # bytes of the widest maps of a whole picture, beyond which it is computed in tiles
MAPS = 3  # as wide ones at a time: a block's input, its norm, the result of a convolution
WHOLE = 256 * 256  # positions of a map that is not divided
TILE = 128  # positions of a tile's side, at the larger size of its segment
Scales = Mapping[nn.GroupNorm, tuple[Tensor, Tensor]]  # of norms whose statistics are known: factor and offset


def needed(module: Any, height: int, width: int) -> bool:
    """Whether a latent of ``height`` x ``width`` is computed in tiles: a function of its size and of the network, never
    of free memory, which would change bits."""
    if not isinstance(module, Autoencoder):
        return False
    widths = list(module.config["block_out_channels"])
    places = [height * width * 4 ** (len(widths) - 1 - n) for n in range(len(widths))]  # per level, outermost first
    widest = max(w * p for w, p in zip([*widths[1:], widths[-1]], places, strict=True))
    return bool(MAPS * widest * torch.finfo(module.dtype).bits // 8 > LIMIT)


def decode(module: Autoencoder, z: Tensor) -> Tensor:
    """As ``module.decode(z).sample``, for one latent (1, channels, height, width)."""
    net = module.decoder
    x = z if module.post_quant_conv is None else module.post_quant_conv(z)
    x = net.mid_block(net.conv_in(x))
    before: list[nn.Module] = []
    levels: list[Any] = [*net.up_blocks]
    for level in levels[:-1]:
        x = _segment([*before, *level.resnets], x)
        before = [*level.upsamplers]
    return _segment([*before, *levels[-1].resnets, net.conv_norm_out, net.conv_out], x)


def encode(module: Autoencoder, x: Tensor) -> Tensor:
    """As the mean of ``module.encode(x)``, for one picture (1, 3, height, width)."""
    net = module.encoder
    before: list[nn.Module] = [net.conv_in]
    levels: list[Any] = [*net.down_blocks]
    for level in levels:
        x = _segment([*before, *level.resnets, *level.downsamplers], x)
        before = []
    h = net.end(net.mid_block(x))
    h = h if module.quant_conv is None else module.quant_conv(h)
    return h.chunk(2, dim=1)[0]


def _segment(parts: Sequence[nn.Module], x: Tensor) -> Tensor:
    """``x`` through ``parts``."""
    steps = [step for part in parts for step in _steps(part)]
    up, down = (2 ** sum(isinstance(part, kind) for part in parts) for kind in (Up, Down))
    height, width = x.shape[-2:]
    if height * width * up**2 <= WHOLE:
        return _run(steps, x, {})
    tiles = [*_tiles((height, width), TILE // up, _reach(parts))]
    scales: dict[nn.GroupNorm, tuple[Tensor, Tensor]] = {}
    for n, step in enumerate(steps):
        if isinstance(step.module, nn.GroupNorm):
            seen = (tile.middle(_run(steps[:n], tile.around(x), scales)) for tile in tiles)
            scales[step.module] = _measured(step.module, seen)
    out: Tensor | None = None
    for tile in tiles:
        made = tile.middle(_run(steps, tile.around(x), scales))
        if out is None:
            out = made.new_empty(1, made.shape[1], height * up // down, width * up // down)
        tile.place(out, up, down)[...] = made
    assert out is not None
    return out


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation on (map, kept map): the module to compute, and what to do with the result."""

    module: nn.Module | None
    apply: Callable[[Tensor, Tensor, Any], tuple[Tensor, Tensor]]


def _steps(part: nn.Module) -> Iterator[_Step]:
    if isinstance(part, ResBlock):
        yield _Step(None, lambda x, _, __: (x, x))
        for norm, conv in ((part.norm1, part.conv1), (part.norm2, part.conv2)):
            yield from (*_steps(norm), *_steps(conv))
        shortcut = part.conv_shortcut or nn.Identity()
        yield _Step(shortcut, lambda x, kept, module: (module(kept) + x, x))
    elif isinstance(part, nn.GroupNorm):
        yield _Step(part, lambda x, kept, norm: (F.silu(norm(x), inplace=True), kept))
    else:
        yield _Step(part, lambda x, kept, module: (module(x), kept))


def _run(steps: Sequence[_Step], x: Tensor, scales: Scales) -> Tensor:
    kept = x
    for step in steps:
        module: Any = step.module
        if module in scales:
            factor, offset = scales[module]
            module = lambda x, f=factor, o=offset: torch.addcmul(o, x.float(), f).to(x.dtype)  # noqa: E731
        x, kept = step.apply(x, kept, module)
    return x


def _measured(norm: nn.GroupNorm, parts: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
    """The factor and the offset of ``norm`` for a map that consists of ``parts`` (Chan et al. 1979: sums of parts)."""
    count, mean, square = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        values = part.float().reshape(norm.num_groups, -1)
        variance, own = (t.double().cpu() for t in torch.var_mean(values, dim=1, correction=0))
        size = values.shape[1]
        delta, total = own - mean, count + size
        square = square + variance * size + delta**2 * (count * size / total)
        mean, count = mean + delta * (size / total), total
    scale = (square / count + norm.eps).rsqrt()
    each = norm.num_channels // norm.num_groups
    weight, bias = norm.weight.float(), norm.bias.float()
    factor = scale.float().to(weight.device).repeat_interleave(each) * weight
    offset = bias - mean.float().to(weight.device).repeat_interleave(each) * factor
    return factor.view(1, -1, 1, 1), offset.view(1, -1, 1, 1)


class _Tile(NamedTuple):
    """A part of a map."""

    rows: Span
    columns: Span

    def around(self, x: Tensor) -> Tensor:
        """The tile in ``x``, with what is around it."""
        return x[..., self.rows.around, self.columns.around].contiguous(memory_format=torch.channels_last)

    def middle(self, made: Tensor) -> Tensor:
        """The tile itself in what was made of it with its surroundings, of any size."""
        height, width = made.shape[-2:]
        return made[..., self.rows.inside(height, self.rows.length), self.columns.inside(width, self.columns.length)]

    def place(self, out: Tensor, up: int, down: int) -> Tensor:
        """Where it is in ``out``, which is ``up / down`` times as large."""
        return out[..., self.rows.place(up, down), self.columns.place(up, down)]


def _tiles(size: tuple[int, int], side: int, reach: int) -> Iterator[_Tile]:
    height, width = size
    return starmap(_Tile, product(spans(height, side, reach), spans(width, side, reach)))


def _reach(parts: Sequence[nn.Module]) -> int:
    """How many positions of the input around a tile its result depends on; even, as ``Down`` needs it."""
    reach = 0
    for part in reversed(parts):
        if isinstance(part, Up):
            reach = (reach + 2) // 2
        elif isinstance(part, Down):
            reach = 2 * reach + 2
        else:
            reach += 2 if isinstance(part, ResBlock) else 1
    return reach + reach % 2
