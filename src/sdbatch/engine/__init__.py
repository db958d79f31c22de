"""The torch engine: ``open`` a model and ``render`` a feed of shots. Torch is imported by ``open``, not before."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdbatch.engine.torch_engine import Engine
    from sdbatch.runtime import Runtime
    from sdbatch.weights import Source


def open(source: Source, runtime: Runtime) -> Engine:
    """Load ``source`` as ``runtime`` says. Raises ConfigError naming what does not work here and what does."""
    start = perf_counter()
    from sdbatch.engine.torch_engine import Engine

    imported = perf_counter() - start
    engine = Engine(source, runtime)
    engine.stats.seconds["start: torch"] = imported
    return engine
