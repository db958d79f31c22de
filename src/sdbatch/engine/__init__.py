"""The torch engine: ``open`` a model and ``render`` a feed of shots. Only opening and checking import torch."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdbatch.config.runtime import Runtime
    from sdbatch.engine.torch_engine import Engine
    from sdbatch.models.source import Source


def open(source: Source, runtime: Runtime, *others: Source) -> Engine:
    """Load ``source`` with the settings ``runtime``; ``others`` are loaded when their shots are rendered.

    Raises ConfigError for unsupported settings.
    """
    start = perf_counter()
    from sdbatch.engine.torch_engine import Engine

    imported = perf_counter() - start
    engine = Engine((source, *others), runtime)
    engine.stats.seconds["start: torch"] = imported
    return engine


def check(runtime: Runtime) -> None:
    """Raise ConfigError for settings of ``runtime`` that this machine does not support. Loads no weights."""
    from sdbatch.engine.device import prepare

    prepare(runtime)


def cards() -> int:
    """The number of CUDA devices that this process can use. Allocates no memory on them."""
    from sdbatch.engine.device import cards

    return cards()
