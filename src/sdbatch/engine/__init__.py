"""The torch engine: ``open`` a model and ``render`` a feed of shots. Only opening and checking import torch."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdbatch.config.runtime import Runtime
    from sdbatch.engine.torch_engine import Engine
    from sdbatch.models.source import Source


def open(source: Source, runtime: Runtime) -> Engine:
    """Load ``source`` as ``runtime`` says. Raises ConfigError naming what does not work here and what does."""
    start = perf_counter()
    from sdbatch.engine.torch_engine import Engine

    imported = perf_counter() - start
    engine = Engine(source, runtime)
    engine.stats.seconds["start: torch"] = imported
    return engine


def check(runtime: Runtime) -> None:
    """Raises ConfigError for what ``runtime`` asks of this machine in vain. Loads no weights."""
    from sdbatch.engine.device import prepare

    prepare(runtime)


def cards() -> int:
    """How many CUDA cards this process may use. Reserves nothing on them."""
    from sdbatch.engine.device import cards

    return cards()
