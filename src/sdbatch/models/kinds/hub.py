"""``hub``: a repository of the Hugging Face hub at a commit."""

from __future__ import annotations

from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError
from sdbatch.models.source import CLIP, Source, share_of_ids, vae_path
from sdbatch.samplers import NoiseSchedule


def locate(settings: ModelSettings) -> Source:
    """A hub model is named by repository and commit; nothing is fetched before there is something to render."""
    if not settings.repo or not settings.revision:
        raise ConfigError.one(
            "model.revision", "is missing", "a hub model needs model.repo and the commit, model.revision"
        )
    model = share_of_ids(settings, f"{settings.repo}@{settings.revision}", NoiseSchedule())
    return Source(
        "hub", model, settings.native or 512, 75, CLIP, vae=vae_path(settings), safety_checker=settings.safety_checker
    )
