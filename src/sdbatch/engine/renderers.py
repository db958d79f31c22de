"""Which renderer a model needs: the torch engine, or the fake one. Imports torch only when the engine is opened."""

from __future__ import annotations

from sdbatch.config.experiment import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.models.locate import Source, fetch
from sdbatch.spec.renderer import Renderer


def needs_device_check(settings: ModelSettings, runtime: Runtime) -> bool:
    """Whether ``runtime`` asks for something that not every machine has."""
    asked = runtime.device not in ("auto", "cpu") or runtime.dtype == "float16" or runtime.attention == "xformers"
    return settings.kind != "fake" and (asked or runtime.compile)


def check(runtime: Runtime) -> None:
    """Raises ConfigError for what ``runtime`` asks of this machine in vain."""
    from sdbatch import engine

    engine.check(runtime)


def cards() -> int:
    """How many CUDA cards torch can use in this process."""
    from sdbatch import engine

    return engine.cards()


def open_renderer(source: Source, settings: ModelSettings, runtime: Runtime) -> Renderer:
    """Load ``source`` as ``runtime`` says. Raises ConfigError naming what does not work here and what does."""
    if source.kind == "fake":
        from sdbatch.engine.fake import FakeRenderer

        return FakeRenderer(settings.fake.delay, settings.fake, runtime.rows or 4)
    from sdbatch import engine

    return engine.open(fetch(source), runtime)
