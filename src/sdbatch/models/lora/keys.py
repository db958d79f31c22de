"""The names of tensors in LoRA files: which module a tensor belongs to, and which role it has there. Pure.

A name is a module's name (``modules`` has its forms) and one of the endings below.
"""

from __future__ import annotations

import re
from typing import NamedTuple

ENDINGS = {
    # kohya, LoCon: up @ down, with a convolution between them (Tucker)
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_mid.weight": "mid",
    # peft and diffusers, today and earlier
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    # LoHa: (w1_a @ w1_b) * (w2_a @ w2_b)
    ".hada_w1_a": "w1_a",
    ".hada_w1_b": "w1_b",
    ".hada_w2_a": "w2_a",
    ".hada_w2_b": "w2_b",
    ".hada_t1": "t1",
    ".hada_t2": "t2",
    # LoKr: the Kronecker product of w1 and w2, of which each may be a product
    ".lokr_w1": "k1",
    ".lokr_w1_a": "k1_a",
    ".lokr_w1_b": "k1_b",
    ".lokr_w2": "k2",
    ".lokr_w2_a": "k2_a",
    ".lokr_w2_b": "k2_b",
    ".lokr_t2": "kt",
    # LyCORIS "full": the difference itself
    ".diff": "diff",
    ".alpha": "alpha",
    # DoRA: the length of every column (kohya, LyCORIS) or row of the merged weight
    ".dora_scale": "dora",
    ".lora_magnitude_vector": "magnitude",
    ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector.default.weight": "magnitude",
}
_LONGEST_FIRST = sorted(ENDINGS, key=len, reverse=True)
_PROCESSOR = re.compile(r"(.+?)(?:\.processor)?\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight")  # diffusers, 2023
_IN_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


class Key(NamedTuple):
    module: str  # as the file names it
    role: str


def parse(name: str) -> Key | None:
    """The module and the role of a tensor; None for a name in none of the layouts."""
    name = name.removeprefix("base_model.model.")
    if found := _PROCESSOR.fullmatch(name):
        place, layer, role = found[1], found[2], found[3]
        inner = _IN_TEXT[layer] if place.endswith("self_attn") else "to_out.0" if layer == "to_out" else layer
        return Key(f"{place}.{inner}", role)
    ending = next((e for e in _LONGEST_FIRST if name.endswith(e)), None)
    return None if ending is None else Key(name.removesuffix(ending), ENDINGS[ending])
