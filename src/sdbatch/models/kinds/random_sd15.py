"""``random_sd15``: the architecture of Stable Diffusion 1.5 with seeded random weights, made by the engine."""

from __future__ import annotations

from dataclasses import replace

from sdbatch.config.model import ModelSettings
from sdbatch.models.source import CLIP, Source, share_of_ids, vae_path
from sdbatch.samplers import NoiseSchedule


def locate(settings: ModelSettings) -> Source:
    model = replace(share_of_ids(settings, "random_sd15:0", NoiseSchedule()), name="random_sd15")
    return Source("random_sd15", model, settings.native or 512, 75, CLIP, vae=vae_path(settings))
