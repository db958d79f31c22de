"""Opens the renderer of a model: the torch engine or the fake one. Imports torch only to open or check the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.engine import portable
from sdbatch.models.locate import fetch
from sdbatch.models.source import Source
from sdbatch.spec.renderer import Renderer


class OpenRenderer(Protocol):
    """The interface of ``open_renderer``."""

    def __call__(self, source: Source, settings: ModelSettings, runtime: Runtime, *others: Source) -> Renderer: ...


def needs_device_check(source: Source, runtime: Runtime) -> bool:
    """Whether ``runtime`` has settings that not every machine supports."""
    asked = runtime.device not in ("auto", "cpu") or runtime.dtype == "float16" or runtime.attention == "xformers"
    return source.renderer != "fake" and (asked or runtime.compile)


def check(runtime: Runtime) -> None:
    """Raise ConfigError for settings of ``runtime`` that this machine does not support."""
    portable.apply(runtime.portable)
    from sdbatch import engine

    engine.check(runtime)


def cards() -> int:
    """The number of CUDA devices that torch can use in this process."""
    from sdbatch import engine

    return engine.cards()


def open_renderer(source: Source, settings: ModelSettings, runtime: Runtime, *others: Source) -> Renderer:
    """Load ``source`` with the settings ``runtime``; ``others`` are loaded when their shots are rendered.

    Raises ConfigError for unsupported settings.
    """
    return RENDERERS[source.renderer]((source, *others), settings, runtime)


def _torch(sources: Sequence[Source], _: ModelSettings, runtime: Runtime) -> Renderer:
    portable.apply(runtime.portable)
    from sdbatch import engine

    first, *others = map(fetch, sources)
    return engine.open(first, runtime, *others)


def _fake(_: Sequence[Source], settings: ModelSettings, runtime: Runtime) -> Renderer:
    from sdbatch.engine.fake import FakeRenderer

    return FakeRenderer(settings.fake.delay, settings.fake, runtime.rows or 4)


RENDERERS: dict[str, Callable[[Sequence[Source], ModelSettings, Runtime], Renderer]] = {"torch": _torch, "fake": _fake}
