"""A renderer that stays open between runs, so that the next one with the same model does not load it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.engine.renderers import open_renderer
from sdbatch.models.source import Source
from sdbatch.spec.renderer import Renderer
from sdbatch.tasks.rerender import SharedRenderer


class KeptRenderer:
    """Opens a renderer, and keeps it for the next run with the same models, LoRAs and settings."""

    def __init__(self, loading: Callable[[], None] = lambda: None) -> None:
        """``loading`` is called before a renderer is opened."""
        self._loading = loading
        self._renderer: Renderer | None = None
        self._key: Any = None

    def open(self, source: Source, settings: ModelSettings, runtime: Runtime, *others: Source) -> Renderer:
        """The renderer of ``source`` and ``others``. A run that closes it leaves it open."""
        files = frozenset(item for each in (source, *others) for item in each.adapters.items())
        key = (frozenset((source, *others)), files, settings, runtime)
        if self._renderer is None or (key, self._renderer.profile.rows) != self._key:  # fewer rows: out of memory
            self.close()
            self._loading()
            self._renderer = open_renderer(source, settings, runtime, *others)
            self._key = (key, self._renderer.profile.rows)
        return SharedRenderer(self._renderer)

    def close(self) -> None:
        """Release the model."""
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = self._key = None
