"""CLIP's text encoder (Radford et al. 2021), as Stable Diffusion 1 uses it: the last hidden state."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch.engine.nets.blocks import dtype_of

OWN: dict[str, Any] = {  # keys that this network has, with transformers' defaults
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "layer_norm_eps": 1e-5,
}
ACTIVATION = "quick_gelu"


def serves(config: dict[str, Any]) -> bool:
    """Whether ``config`` (transformers' keys) describes this network; keys without effect are ignored."""
    return bool(config.get("hidden_act", ACTIVATION) == ACTIVATION)


class Hidden(NamedTuple):
    last_hidden_state: Tensor  # (texts, tokens, width)


class SelfAttention(nn.Module):
    """Causal."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:2], self.heads, x.shape[-1] // self.heads)
        q, k, v = (part(x).view(shape).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj))
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out_proj(found.transpose(1, 2).reshape(x.shape))
        return out


class Perceptron(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        out: Tensor = self.fc2(x * torch.sigmoid(1.702 * x))
        return out


class Layer(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        width = c["hidden_size"]
        self.self_attn = SelfAttention(width, c["num_attention_heads"])
        self.layer_norm1 = nn.LayerNorm(width, c["layer_norm_eps"])
        self.mlp = Perceptron(width, c["intermediate_size"])
        self.layer_norm2 = nn.LayerNorm(width, c["layer_norm_eps"])

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        out: Tensor = x + self.mlp(self.layer_norm2(x))
        return out


class Table(nn.Module):
    """As nn.Embedding, whose first random weights would import torch._dynamo on the meta device (2 s)."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, width))

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight)


class Embeddings(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        self.token_embedding = Table(c["vocab_size"], c["hidden_size"])
        self.position_embedding = Table(c["max_position_embeddings"], c["hidden_size"])

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        return out


class Layers(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(c) for _ in range(c["num_hidden_layers"])])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class TextEncoder(nn.Module):
    """``config``: transformers' keys; see ``serves``."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = c = OWN | config
        self.embeddings = Embeddings(c)
        self.encoder = Layers(c)
        self.final_layer_norm = nn.LayerNorm(c["hidden_size"], c["layer_norm_eps"])

    @property
    def dtype(self) -> torch.dtype:
        return dtype_of(self)

    def forward(self, ids: Tensor) -> Hidden:
        """``ids`` (texts, tokens), of at most ``max_position_embeddings`` tokens."""
        return Hidden(self.final_layer_norm(self.encoder(self.embeddings(ids))))
