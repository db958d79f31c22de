"""The LoRAs of an experiment, of a prompt, and as an axis: what is written, as values that jobs hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

from sdbatch.config.loras import LoraSet, LoraSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problem
from sdbatch.models.adapters import Adapters
from sdbatch.spec.adapters import Lora, active, lora
from sdbatch.spec.jobs import Model
from sdbatch.spec.limits import LORA_WEIGHT

LoraChoice = tuple[Lora, ...]  # in the order of merging
MOST = 10_000  # values of an axis


def choices(entries: Sequence[LoraSettings], at: str, adapters: Adapters) -> tuple[LoraChoice, ...]:
    """The LoRAs of ``entries`` with every combination of their weights. Raises ConfigError."""
    problems: list[Problem] = []
    columns: list[list[Lora]] = []
    for i, entry in enumerate(entries):
        try:
            found = adapters.lora(entry.path, 1.0, None, f"{at}[{i}].path")
            columns.append([lora(found, weight, entry.text) for weight in entry.weight])
        except ConfigError as e:
            problems += e.problems
    if not problems and prod(map(len, columns)) > MOST:
        problems.append(Problem(at, f"the weights have more than {MOST:,} combinations"))
    if problems:
        raise ConfigError(problems)
    return tuple(product(*columns))


def one_choice(entries: Sequence[LoraSettings], at: str, adapters: Adapters) -> LoraChoice:
    """The LoRAs of a prompt, of which each has one weight. Raises ConfigError."""
    found = choices(entries, at, adapters)
    if len(found) > 1:
        raise ConfigError.one(at, "has several weights", "a prompt's LoRA has one; write loras or sweep beside prompts")
    return found[0]


def swept(values: Sequence[Any], at: str, adapters: Adapters) -> list[LoraChoice]:
    """The values of an axis. Each is null, a name, {path, weight, text} or a list of these, which are used together;
    one with several weights is several values. Raises ConfigError."""
    out: list[LoraChoice] = []
    problems: list[Problem] = []
    for i, value in enumerate(values):
        entries = value if isinstance(value, list) else [] if value is None else [value]
        here = f"{at}[{i}]"
        try:
            own = check(LoraSet, {"loras": entries})
            out += choices(own.loras, here, adapters)
        except ConfigError as e:
            problems += [Problem(re.sub(r"^loras\b", here, p.key), p.message, p.hint) for p in e.problems]
    if len(out) > MOST:
        problems.append(Problem(at, f"has {len(out):,} values", f"at most {MOST:,} are possible"))
    if problems:
        raise ConfigError(problems)
    return out


def with_loras(model: Model, loras: Iterable[Lora], weight: float) -> Model:
    """``model`` with ``loras``, their weights multiplied by ``weight``. Those that change nothing are left out."""
    changed = (
        lora(one, _scaled(one.unet, weight), None if one.text is None else _scaled(one.text, weight)) for one in loras
    )
    found = active(tuple(changed))
    return replace(model, loras=found) if found else model


def _scaled(value: float, weight: float) -> float:
    return max(LORA_WEIGHT.low, min(LORA_WEIGHT.high, value * weight))
