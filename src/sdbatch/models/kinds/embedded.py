"""``small`` and ``tiny``: the embedded models."""

from __future__ import annotations

from sdbatch.config.model import ModelSettings
from sdbatch.models.source import SHIPPED, Source, from_folder


def locate(settings: ModelSettings) -> Source:
    return from_folder(settings, SHIPPED / settings.kind)
