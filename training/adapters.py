"""LoRAs and textual inversions while they are trained: parameters, what they change, and their files.

What is trained is what sdbatch merges: the changes of weights are computed by ``sdbatch.engine.merge.difference``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sdbatch.engine.merge import difference

UNET, TEXT = "unet", "text_encoder"
# The roles of a layer, and the names of their tensors: layout -> (kind, {role: ending}).
LAYOUTS: dict[str, tuple[str, dict[str, str]]] = {
    "kohya": ("lora", {"down": "lora_down.weight", "up": "lora_up.weight"}),
    "diffusers": ("lora", {"down": "lora_A.weight", "up": "lora_B.weight"}),
    "loha": ("loha", {"w1_a": "hada_w1_a", "w1_b": "hada_w1_b", "w2_a": "hada_w2_a", "w2_b": "hada_w2_b"}),
}
SILENT = ("up", "w2_a")  # start at zero, so that the change does


def modules_of(network: nn.Module, pattern: str) -> Iterator[str]:
    """The linear layers and convolutions whose names match."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and re.search(pattern, name):
            yield name


class Adapter(nn.Module):
    """The layers of a LoRA; alpha is the rank, so that the scale is 1."""

    def __init__(self, layout: str, rank: int, networks: Mapping[str, nn.Module], patterns: Mapping[str, str]) -> None:
        super().__init__()
        self.layout, self.rank = layout, rank
        self.kind, self.endings = LAYOUTS[layout]
        self.places: list[tuple[str, str]] = []
        self.parts = nn.ParameterList()
        generator = torch.Generator().manual_seed(0)
        for part, pattern in patterns.items():
            for name in modules_of(networks[part], pattern):
                self.places.append((part, name))
                weight = networks[part].get_parameter(f"{name}.weight")
                for role in self.endings:
                    self.parts.append(nn.Parameter(self._start(role, weight, generator)))

    def _start(self, role: str, weight: Tensor, generator: torch.Generator) -> Tensor:
        rows, columns = weight.shape[0], weight[0].numel()
        if role in ("up", "w1_a", "w2_a"):
            shape: tuple[int, ...] = (rows, self.rank)
            deviation = 0.3
        else:
            shape, deviation = (self.rank, columns), 1.0 if self.kind == "loha" else columns**-0.5
            deviation = deviation if self.kind == "lora" or role == "w1_b" else columns**-0.5
        if role in SILENT:
            return torch.zeros(shape)
        return torch.randn(shape, generator=generator) * deviation

    def layers(self) -> Iterator[tuple[str, str, dict[str, Tensor]]]:
        """Network, module, and its parts by role."""
        count = len(self.endings)
        for i, (part, name) in enumerate(self.places):
            values = [self.parts[i * count + j] for j in range(count)]
            yield part, name, dict(zip(self.endings, values, strict=True))

    def changed(self, part: str, network: nn.Module) -> dict[str, Tensor]:
        """The weights of ``network`` with the LoRA at strength 1, by name."""
        out = {}
        for own, name, parts in self.layers():
            if own == part:
                weight = network.get_parameter(f"{name}.weight")
                out[f"{name}.weight"] = weight + difference(self.kind, parts).reshape(weight.shape)
        return out

    def tensors(self, networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """What the file contains."""
        out = {}
        for part, name, parts in self.layers():
            shape = networks[part].get_parameter(f"{name}.weight").shape
            for role, value in parts.items():
                tensor = value.detach().half()
                if self.kind == "lora" and len(shape) == 4:  # as programs write convolutions
                    tensor = tensor.reshape((-1, *shape[1:]) if role == "down" else (*tensor.shape, 1, 1))
                out[f"{self._name(part, name)}.{self.endings[role]}"] = tensor.contiguous()
            if self.layout != "diffusers":
                out[f"{self._name(part, name)}.alpha"] = torch.tensor(float(self.rank)).half()
        return out

    def _name(self, part: str, module: str) -> str:
        full = module if part == UNET or module.startswith("text_model.") else f"text_model.{module}"
        if self.layout == "diffusers":
            return f"{part}.{full}"
        return f"lora_{'unet' if part == UNET else 'te'}_{full.replace('.', '_')}"


class Words(nn.Module):
    """The vectors of a textual inversion, which stand for tokens behind the last one of the vocabulary."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(start.detach().clone())

    def changed(self, part: str, network: nn.Module) -> dict[str, Tensor]:
        """The table of tokens with the vectors, by name."""
        if part != TEXT:
            return {}
        name = next(name for name, _ in network.named_parameters() if name.endswith("token_embedding.weight"))
        return {name: torch.cat([network.get_parameter(name), self.vectors])}

    def tensors(self, networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """What the file contains, as A1111 and kohya write it."""
        return {"emb_params": self.vectors.detach().half()}


def save(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> int:
    """Write a file; returns its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(sorted(tensors.items())), str(path), metadata=dict(texts))
    path.chmod(0o644)
    return path.stat().st_size
