"""The denoiser of Stable Diffusion 1: a U-Net with attention to the text (Rombach et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch.engine.nets.blocks import Down, ResBlock, Transformer, Up, dtype_of

OWN: dict[str, Any] = {  # keys that this network has, with diffusers' defaults
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
    "cross_attention_dim": 1280,
    "attention_head_dim": 8,  # the number of heads, despite its name
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
}
FIXED: dict[str, Any] = {  # keys with one supported value
    "act_fn": "silu",
    "addition_embed_type": None,
    "attention_type": "default",
    "center_input_sample": False,
    "class_embed_type": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_norm": None,
    "downsample_padding": 1,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_only_cross_attention": None,
    "mid_block_scale_factor": 1,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "reverse_transformer_layers_per_block": None,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "transformer_layers_per_block": 1,
    "upcast_attention": False,
    "use_linear_projection": False,
}
WITHOUT_EFFECT = (
    "sample_size",
    "dropout",  # in training only
    "addition_embed_type_num_heads",
    "addition_time_embed_dim",
    "class_embeddings_concat",
    "projection_class_embeddings_input_dim",
)
KINDS = {"CrossAttnDownBlock2D": True, "DownBlock2D": False, "CrossAttnUpBlock2D": True, "UpBlock2D": False}


def serves(config: dict[str, Any]) -> bool:
    """Whether ``config`` (diffusers' keys) describes this network."""
    full = OWN | config
    return (
        all(_serves(key, value) for key, value in config.items())
        and set(full["down_block_types"]) | set(full["up_block_types"]) <= KINDS.keys()
        and isinstance(full["layers_per_block"], int)
        and isinstance(full["cross_attention_dim"], int)
    )


def _serves(key: str, value: Any) -> bool:
    return key in OWN or key in WITHOUT_EFFECT or key.startswith("_") or (key in FIXED and value == FIXED[key])


class Shape:
    """The settings that all blocks of one network share."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.context, self.groups, self.eps = (
            config[key] for key in ("cross_attention_dim", "norm_num_groups", "norm_eps")
        )
        self.temb = config["block_out_channels"][0] * 4

    def res(self, inside: int, out: int) -> ResBlock:
        return ResBlock(inside, out, self.temb, self.groups, self.eps)

    def attend(self, width: int, heads: int) -> Transformer:
        return Transformer(width, self.context, heads, self.groups)


class Level(nn.Module):
    """Residual blocks of one resolution, each followed by a Transformer where ``heads`` is not 0."""

    def __init__(self, shape: Shape, inside: list[int], out: int, heads: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([shape.attend(out, heads) for _ in inside if heads])
        self.resnets = nn.ModuleList([shape.res(n, out) for n in inside])

    def step(self, k: int, x: Tensor, temb: Tensor, text: Tensor) -> Tensor:
        out: Tensor = self.resnets[k](x, temb)
        return self.attentions[k](out, text) if len(self.attentions) else out


class DownLevel(Level):
    def __init__(self, shape: Shape, inside: list[int], out: int, heads: int, last: bool) -> None:
        super().__init__(shape, inside, out, heads)
        self.downsamplers = nn.ModuleList([] if last else [Down(out, 1)])

    def forward(self, x: Tensor, temb: Tensor, text: Tensor) -> list[Tensor]:
        """The skip connections of this level; the last one is also the input of the next level."""
        found = []
        for k in range(len(self.resnets)):
            x = self.step(k, x, temb, text)
            found.append(x)
        return found + [down(x) for down in self.downsamplers]


class UpLevel(Level):
    def __init__(self, shape: Shape, inside: list[int], out: int, heads: int, last: bool) -> None:
        super().__init__(shape, inside, out, heads)
        self.upsamplers = nn.ModuleList([] if last else [Up(out)])

    def forward(self, x: Tensor, kept: list[Tensor], temb: Tensor, text: Tensor) -> Tensor:
        """``kept``: the skip connections that are left; this level removes its own from the end."""
        for k in range(len(self.resnets)):
            x = self.step(k, torch.cat([x, kept.pop()], 1), temb, text)
        for up in self.upsamplers:
            x = up(x, kept[-1].shape[-2:])
        return x


class Middle(nn.Module):
    def __init__(self, shape: Shape, width: int, heads: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([shape.attend(width, heads)])
        self.resnets = nn.ModuleList([shape.res(width, width), shape.res(width, width)])

    def forward(self, x: Tensor, temb: Tensor, text: Tensor) -> Tensor:
        out: Tensor = self.resnets[1](self.attentions[0](self.resnets[0](x, temb), text), temb)
        return out


class TimeEmbedding(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, out)
        self.linear_2 = nn.Linear(out, out)

    def forward(self, times: Tensor, dtype: torch.dtype) -> Tensor:
        waves = sinusoids(times, self.width).to(dtype)
        out: Tensor = self.linear_2(F.silu(self.linear_1(waves)))
        return out


def sinusoids(times: Tensor, width: int) -> Tensor:
    """(rows, width) in fp32: cosines, then sines, of ``times`` (rows,) at geometric frequencies."""
    half = width // 2
    exponent = -math.log(10000) * torch.arange(0, half, dtype=torch.float32, device=times.device) / half
    angle = times[:, None].float() * torch.exp(exponent)[None]
    return torch.cat([torch.cos(angle), torch.sin(angle)], -1)


def heads_of(config: dict[str, Any]) -> list[int]:
    """The number of attention heads of each level."""
    number = config["attention_head_dim"]
    return [number] * len(config["block_out_channels"]) if isinstance(number, int) else list(number)


def encoder(config: dict[str, Any], shape: Shape) -> tuple[nn.ModuleList, Middle, list[int]]:
    """The levels down, the middle, and the widths of the skip connections, of which the first is ``conv_in``'s."""
    widths, per, heads = list(config["block_out_channels"]), config["layers_per_block"], heads_of(config)
    down, kept = [], [widths[0]]
    for i, (kind, width) in enumerate(zip(config["down_block_types"], widths, strict=True)):
        last = i == len(widths) - 1
        down.append(DownLevel(shape, [kept[-1], *[width] * (per - 1)], width, KINDS[kind] * heads[i], last))
        kept += [width] * (per + (not last))
    return nn.ModuleList(down), Middle(shape, widths[-1], heads[-1]), kept


class UNet(nn.Module):
    """``config``: diffusers' keys; see ``serves``. Called as diffusers' UNet2DConditionModel; returns a tuple."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = c = OWN | config
        widths, per, heads = list(c["block_out_channels"]), c["layers_per_block"], heads_of(c)
        shape = Shape(c)
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], shape.temb)
        self.down_blocks, middle, kept = encoder(c, shape)
        up, width = [], widths[-1]
        for i, kind in zip(reversed(range(len(widths))), c["up_block_types"], strict=True):
            inside = [kept.pop() + (width if k == 0 else widths[i]) for k in range(per + 1)]
            width = widths[i]
            up.append(UpLevel(shape, inside, width, KINDS[kind] * heads[i], i == 0))
        self.up_blocks = nn.ModuleList(up)
        self.mid_block = middle
        self.conv_norm_out = nn.GroupNorm(shape.groups, widths[0], shape.eps)
        self.conv_out = nn.Conv2d(widths[0], c["out_channels"], 3, padding=1)

    @property
    def dtype(self) -> torch.dtype:
        return dtype_of(self)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        return_dict: bool = False,
        residuals: Sequence[Tensor] = (),
    ) -> tuple[Tensor]:
        """``sample`` (rows, channels, height, width), ``timestep`` (rows,), text (rows, tokens, width).

        ``residuals``: of ControlNets, for every skip connection and the middle.
        """
        temb = self.time_embedding(timestep, sample.dtype)
        x = self.conv_in(sample)
        kept = [x]
        for down in self.down_blocks:
            kept += down(kept[-1], temb, encoder_hidden_states)
        x = self.mid_block(kept[-1], temb, encoder_hidden_states)
        if residuals:
            *added, middle = residuals
            kept = [one + other for one, other in zip(kept, added, strict=True)]
            x = x + middle
        for up in self.up_blocks:
            x = up(x, kept, temb, encoder_hidden_states)
        return (self.conv_out(F.silu(self.conv_norm_out(x))),)
