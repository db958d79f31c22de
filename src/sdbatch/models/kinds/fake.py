"""``fake``: no model; the fake renderer draws patterns from job ids."""

from __future__ import annotations

from dataclasses import replace

from sdbatch.config.model import ModelSettings
from sdbatch.models.source import CLIP, Source, share_of_ids
from sdbatch.samplers import NoiseSchedule


def locate(settings: ModelSettings) -> Source:
    model = replace(share_of_ids(settings, "fake:1", NoiseSchedule()), name="fake")
    return Source("fake", model, settings.native or 128, 75, CLIP, renderer="fake")
