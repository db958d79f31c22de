"""The workers that a runtime requests, and the device of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdbatch.config.runtime import Runtime
from sdbatch.errors import ConfigError

VISIBLE = "CUDA_VISIBLE_DEVICES"
NODES = Path("/dev")
CORES = 8  # per process where runtime.processes=auto finds no card


@dataclass(frozen=True, slots=True)
class Slot:
    """The settings of one worker: a name for users, its runtime, and additional environment variables."""

    name: str
    runtime: Runtime
    environment: Mapping[str, str] = field(default_factory=dict)


def assign(runtime: Runtime, cards: Callable[[], int]) -> list[Slot]:
    """One slot per worker, or none if this process renders itself.

    ``cards`` counts the CUDA cards that this process may use. Raises ConfigError if there are too few.
    """
    if runtime.processes == "auto":
        there = cards() if runtime.device in ("auto", "cuda") else 0
        chosen = {"gpus": "all", "processes": None} if there else {"processes": max(1, _cores() // CORES)}
        runtime, cards = runtime.model_copy(update=chosen), lambda: there
    if runtime.gpus is not None:
        return _of_cards(runtime, cards())
    count = int(runtime.processes or 0)
    share = {"workers": runtime.workers or max(1, _cores() // max(1, count * (runtime.threads or 1)))}
    alone = runtime.model_copy(update={"processes": None, **share})
    return [Slot(f"worker {n}", alone) for n in range(count)]


def expected_cards(runtime: Runtime) -> int:
    """The number of cards that will render, as far as it is known without torch; 1 without ``runtime.gpus``."""
    if runtime.gpus != "all":
        return runtime.gpus or 1
    visible = [name for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return max(1, len(visible) or len(list(NODES.glob("nvidia[0-9]*"))))


def _of_cards(runtime: Runtime, there: int) -> list[Slot]:
    wanted = there if runtime.gpus == "all" else int(runtime.gpus or 0)
    if not there:
        text = f"{runtime.gpus}: torch finds no CUDA card here"
        raise ConfigError.one("runtime.gpus", text, "use null, or runtime.processes=N for processes on the CPU")
    if wanted > there:
        hint = f"use all, or 1–{there}"
        raise ConfigError.one("runtime.gpus", f"{wanted} cards were requested; this machine has {there}", hint)
    # The environment may already restrict the cards, by number or by name.
    names = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    names = names if len(names) >= there else [str(n) for n in range(there)]
    one = runtime.model_copy(update={"gpus": None, "device": "cuda"})
    return [Slot(f"gpu {name}", one, {VISIBLE: name}) for name in names[:wanted]]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
