"""Find the weights that a configuration names, and download those of the hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdbatch.config.model import ModelSettings
from sdbatch.config.registry import MODEL_KINDS
from sdbatch.errors import ConfigError, shown
from sdbatch.models.source import NO_WEIGHTS_NEEDED, PARTS, Source

__all__ = ["Source", "fetch", "locate"]


def locate(settings: ModelSettings) -> Source:
    """Find the weights that ``settings`` names. Raises ConfigError with what is missing, and where to put it."""
    try:
        source: Source = MODEL_KINDS[settings.kind].locate(settings)
        return source
    except (OSError, RuntimeError, ValueError, TypeError, ArithmeticError) as e:  # files are untrusted
        why = getattr(e, "strerror", None) or str(e)
        raise ConfigError.one("model.path", f"{shown(settings.path or settings.vae)} cannot be read: {why}") from e


def fetch(source: Source) -> Source:
    """``source`` with its local folder: from the hub's cache, else downloaded (never with HF_HUB_OFFLINE).

    Raises ConfigError.
    """
    if not source.remote:
        return source
    from huggingface_hub import snapshot_download

    repo, revision = source.model.weights.split("@")
    patterns = ["*/*.json", "*.json", "tokenizer/*", *(f"{p}/*.safetensors" for p in (*PARTS, "safety_checker"))]
    patterns_off = ["*/*.fp16.*", "*/*.non_ema.*"]
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=patterns, ignore_patterns=patterns_off)
    except Exception as e:  # the hub client's errors have no common base class
        raise ConfigError.one("model", _missing(repo, revision, e), NO_WEIGHTS_NEEDED) from e
    return replace(source, folder=Path(folder))


def _offline() -> bool:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    return bool(HF_HUB_OFFLINE)


def _missing(repo: str, revision: str, error: Exception) -> str:
    why = "HF_HUB_OFFLINE is set" if _offline() else " ".join(str(error).split())[:300] or type(error).__name__
    return (
        f"the weights of {repo} at {revision[:8]} are not on this machine and cannot be downloaded ({why}); "
        f"on a machine with network run `hf download {repo} --revision {revision}` and copy its cache here, "
        "or use a folder: model=local model.path=FOLDER"
    )
