"""Networks that enlarge pictures: Real-ESRGAN's Compact (SRVGG) and ESRGAN's RRDB.

``build`` finds the network that fits a state dict, in the layouts in which such files are published.
"""

from __future__ import annotations

import re
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

State = dict[str, Tensor]
Net = TypeVar("Net", bound=nn.Module)
SLOPE = 0.2


class Compact(nn.Module):
    """SRVGGNetCompact with PReLU: convolutions at the small size, then a pixel shuffle on the enlarged input."""

    def __init__(self, width: int = 64, layers: int = 16, scale: int = 4) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(layers):
            parts += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.ModuleList([*parts, nn.Conv2d(width, 3 * scale**2, 3, padding=1)])
        self.scale = scale
        self.reach = layers + 2

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for part in self.body:
            out = part(out)
        return F.pixel_shuffle(out, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Dense(nn.Module):
    """A residual dense block of five convolutions."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for n in range(5):
            made = nn.Conv2d(width + n * growth, growth if n < 4 else width, 3, padding=1)
            self.add_module(f"conv{n + 1}", made)

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for n in range(4):
            found.append(F.leaky_relu(self.get_submodule(f"conv{n + 1}")(torch.cat(found, 1)), SLOPE))
        out: Tensor = self.get_submodule("conv5")(torch.cat(found, 1)) * 0.2 + x
        return out


class Block(nn.Module):
    """Three dense blocks with a residual connection."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.rdb3(self.rdb2(self.rdb1(x))) * 0.2 + x
        return out


class Rrdb(nn.Module):
    """ESRGAN's network. ``ups`` doublings follow the blocks; ``unshuffle`` packs pixels into channels before them."""

    def __init__(self, width: int, growth: int, blocks: int, ups: int, unshuffle: int = 1) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3 * unshuffle**2, width, 3, padding=1)
        self.body = nn.Sequential(*(Block(width, growth) for _ in range(blocks)))
        self.conv_body, self.conv_hr = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.conv_up = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(ups))
        self.conv_last = nn.Conv2d(width, 3, 3, padding=1)
        self.unshuffle = unshuffle
        self.scale = 2**ups // unshuffle
        # Blocks see further, but residuals are scaled by 0.2 twice: what is beyond changes no result visibly.
        self.reach = 32 * unshuffle

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.unshuffle > 1:
            x = F.pad(x, (0, -width % self.unshuffle, 0, -height % self.unshuffle), mode="replicate")
            x = F.pixel_unshuffle(x, self.unshuffle)
        out = self.conv_first(x)
        out = out + self.conv_body(self.body(out))
        for conv in self.conv_up:
            out = F.leaky_relu(conv(F.interpolate(out, scale_factor=2, mode="nearest")), SLOPE)
        out = self.conv_last(F.leaky_relu(self.conv_hr(out), SLOPE))
        made: Tensor = out[..., : height * self.scale, : width * self.scale]
        return made


def build(state: State) -> Compact | Rrdb:
    """The network with the weights ``state``. Raises ValueError for other networks."""
    state = {name.removeprefix("module."): value.float() for name, value in state.items()}
    made = _compact(state) if "body.0.weight" in state and "body.1.weight" in state else _rrdb(_new_names(state))
    return made.eval().requires_grad_(False)


def _compact(state: State) -> Compact:
    last = max(int(name.split(".")[1]) for name in state if re.fullmatch(r"body\.\d+\.weight", name))
    scale = round((len(state[f"body.{last}.weight"]) / 3) ** 0.5)
    return _filled(Compact(len(state["body.0.weight"]), (last - 2) // 2, scale), state)


def _rrdb(state: State) -> Rrdb:
    blocks = [int(found[1]) for name in state if (found := re.match(r"body\.(\d+)\.rdb1\.conv1\.weight", name))]
    first, growth = state.get("conv_first.weight"), state.get("body.0.rdb1.conv1.weight")
    if first is None or growth is None or first.ndim != 4:
        raise ValueError("it is neither an ESRGAN (RRDB) nor a Real-ESRGAN Compact network")
    ups = sum(bool(re.fullmatch(r"conv_up\.\d+\.weight", name)) for name in state)
    unshuffle = round((first.shape[1] / 3) ** 0.5)
    return _filled(Rrdb(len(first), len(growth), max(blocks) + 1, ups, unshuffle), state)


def _filled(net: Net, state: State) -> Net:
    try:
        net.load_state_dict(state)
    except RuntimeError as e:
        raise ValueError(f"its weights do not fit the network: {str(e).splitlines()[-1].strip()[:200]}") from e
    return net


_NEW = (  # BSRGAN's and Real-ESRGAN's names, as Real-ESRGAN names them
    (r"RRDB_trunk\.", "body."),
    (r"\.RDB(\d)\.", r".rdb\1."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^HRconv\.", "conv_hr."),
    (r"^(?:upconv|conv_up)(\d)\.", lambda m: f"conv_up.{int(m[1]) - 1}."),
)


def _new_names(state: State) -> State:
    if "model.0.weight" in state:
        return _from_sequence(state)
    out = {}
    for name, value in state.items():
        for pattern, to in _NEW:
            name = re.sub(pattern, to, name)  # noqa: PLW2901
        out[name] = value
    return out


def _from_sequence(state: State) -> State:
    """The first ESRGAN's names: ``model.0``, blocks ``model.1.sub.N``, doublings ``model.3``, ``model.6``, …"""
    places = sorted({int(name.split(".")[1]) for name in state})
    blocks = {int(name.split(".")[3]) for name in state if name.startswith("model.1.sub.")}
    after = max(blocks, default=0)
    names = {"model.0.": "conv_first.", f"model.1.sub.{after}.": "conv_body."}
    names |= {f"model.{place}.": f"conv_up.{n}." for n, place in enumerate(places[2:-2])}
    names |= {f"model.{places[-2]}.": "conv_hr.", f"model.{places[-1]}.": "conv_last."} if len(places) > 3 else {}
    out = {}
    for name, value in state.items():
        if found := re.fullmatch(r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.(weight|bias)", name):
            out[f"body.{found[1]}.rdb{found[2]}.conv{found[3]}.{found[4]}"] = value
        else:
            start = next((old for old in names if name.startswith(old)), None)
            out[names[start] + name.removeprefix(start) if start else name] = value
    return out
