"""``local``: a diffusers folder or a single .safetensors file on this machine."""

from __future__ import annotations

from pathlib import Path

from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError
from sdbatch.models.source import NO_WEIGHTS_NEEDED, PICKLES, Source, from_file, from_folder


def locate(settings: ModelSettings) -> Source:
    if not settings.path:
        raise ConfigError.one("model.path", "is missing", "model=local needs a diffusers folder or a .safetensors file")
    path = Path(settings.path).expanduser()
    if path.suffix.lower() in PICKLES:
        raise ConfigError.one(
            "model.path", f"{settings.path!r} is a pickle file, which can run code", "use .safetensors"
        )
    if path.is_dir():
        return from_folder(settings, path)
    if not path.is_file():
        raise ConfigError.one("model.path", f"{settings.path!r} does not exist", NO_WEIGHTS_NEEDED)
    return from_file(settings, path)
