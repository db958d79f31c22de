"""The keys of LoRAs: which files, with which weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sdbatch.config.fields import FilePath, Section
from sdbatch.errors import shown
from sdbatch.spec.limits import LORA_WEIGHT
from sdbatch.spec.ranges import is_range, parse_range

MOST = 1000  # weights of one LoRA


def _weights(value: Any) -> tuple[float, ...]:
    values = parse_range(value, MOST) if is_range(value) else value if isinstance(value, list | tuple) else (value,)
    for one in values:
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise ValueError(f"{shown(one)} is not a weight; write 0.8, [0.4, 0.8] or 0..1..0.2")
        if one not in LORA_WEIGHT:
            raise ValueError(f"{shown(one)} is out of range {LORA_WEIGHT} (nearest is {LORA_WEIGHT.nearest(one):g})")
    if not values:
        raise ValueError("is empty")
    return tuple(float(one) for one in values)


Weights = Annotated[
    tuple[float, ...], BeforeValidator(_weights, json_schema_input_type=float | str | list[float | str])
]


class LoraSettings(Section):
    """A LoRA and its weight; several weights (a list or a range) are an axis."""

    path: FilePath = Field(description="a .safetensors file, or a name in lora_folders")
    weight: Weights = Field((1.0,), description="its weight: 0.8, a list, or a range 0..1..0.2")
    text: float | None = Field(
        None,
        ge=LORA_WEIGHT.low,
        le=LORA_WEIGHT.high,
        description="its weight in the text encoder; null: as weight",
    )


def _lora(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError(f"{shown(value)} is not a LoRA; write a name or {{path, weight, text}}")
    return {"path": value} if isinstance(value, str) else value


LoraEntry = Annotated[LoraSettings, BeforeValidator(_lora, json_schema_input_type=str | LoraSettings)]


def _entries(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


LoraEntries = Annotated[
    tuple[LoraEntry, ...],
    BeforeValidator(_entries, json_schema_input_type=list[str | LoraSettings]),
    Field(max_length=64),
]


class LoraSet(Section):
    """One value of a sweep over LoRAs."""

    loras: LoraEntries
