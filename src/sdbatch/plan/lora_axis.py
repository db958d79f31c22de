"""The LoRAs of an experiment, of a prompt, and as an axis: what is written, as values that jobs hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sdbatch.config.loras import LoraSet, LoraSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError
from sdbatch.models.adapters import Adapters
from sdbatch.plan import entry_sets
from sdbatch.spec.adapters import Lora, active, lora
from sdbatch.spec.jobs import Model
from sdbatch.spec.limits import LORA_WEIGHT

LoraChoice = tuple[Lora, ...]  # in the order of merging


def choices(entries: Sequence[LoraSettings], at: str, adapters: Adapters) -> tuple[LoraChoice, ...]:
    """The LoRAs of ``entries`` with every combination of their weights. Raises ConfigError."""

    def weighted(entry: LoraSettings, at: str) -> list[Lora]:
        found = adapters.lora(entry.path, 1.0, None, f"{at}.path")
        return [lora(found, weight, entry.text) for weight in entry.weight]

    return entry_sets.combinations(entries, at, weighted, "the weights")


def one_choice(entries: Sequence[LoraSettings], at: str, adapters: Adapters) -> LoraChoice:
    """The LoRAs of a prompt, of which each has one weight. Raises ConfigError."""
    found = choices(entries, at, adapters)
    if len(found) > 1:
        raise ConfigError.one(at, "has several weights", "a prompt's LoRA has one; write loras or sweep beside prompts")
    return found[0]


def swept(values: Sequence[Any], at: str, adapters: Adapters) -> list[LoraChoice]:
    """The values of an axis. Each is null, a name, {path, weight, text} or a list of these, which are used together;
    one with several weights is several values. Raises ConfigError."""
    return entry_sets.swept(
        values, at, "loras", lambda entries, here: choices(check(LoraSet, {"loras": entries}).loras, here, adapters)
    )


def with_loras(model: Model, loras: Iterable[Lora], weight: float) -> Model:
    """``model`` with ``loras``, their weights multiplied by ``weight``. Those that change nothing are left out."""
    changed = (
        lora(one, _scaled(one.unet, weight), None if one.text is None else _scaled(one.text, weight)) for one in loras
    )
    found = active(tuple(changed))
    return replace(model, loras=found) if found else model


def _scaled(value: float, weight: float) -> float:
    return max(LORA_WEIGHT.low, min(LORA_WEIGHT.high, value * weight))
