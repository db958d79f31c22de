"""The keys of LoRAs: which files, with which weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sdbatch.config.fields import FilePath, Section, as_tuple
from sdbatch.config.weights import weights_in
from sdbatch.errors import shown
from sdbatch.spec.limits import LORA_WEIGHT


class LoraSettings(Section):
    """A LoRA and its weight; several weights (a list or a range) are an axis."""

    path: FilePath = Field(description="a .safetensors file, or a name in lora_folders")
    weight: Annotated[tuple[float, ...], weights_in(LORA_WEIGHT)] = Field(
        (1.0,), description="its weight: 0.8, a list, or a range 0..1..0.2"
    )
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


LoraEntries = Annotated[
    tuple[LoraEntry, ...],
    BeforeValidator(as_tuple, json_schema_input_type=list[str | LoraSettings]),
    Field(max_length=64),
]


class LoraSet(Section):
    """One value of a sweep over LoRAs."""

    loras: LoraEntries
