"""Find the weights that a configuration names, and download those of the hub."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from sdbatch.config.model import ModelSettings
from sdbatch.config.registry import MODEL_KINDS
from sdbatch.errors import ConfigError, shown
from sdbatch.models.adapters import Adapters
from sdbatch.models.source import NO_WEIGHTS_NEEDED, PARTS, Source

__all__ = ["Source", "fetch", "fetch_all", "locate"]

PATIENCE = 5.0  # seconds for a connection to the hub


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
    unreachable = _unreachable()  # asked first: the client would try for half a minute, and say so each time
    try:
        folder = snapshot_download(
            repo,
            revision=revision,
            allow_patterns=patterns,
            ignore_patterns=patterns_off,
            local_files_only=bool(unreachable),
        )
    except Exception as e:  # the hub client's errors have no common base class
        why = unreachable or " ".join(str(e).split())[:300] or type(e).__name__
        raise ConfigError.one("model", _missing(repo, revision, why), NO_WEIGHTS_NEEDED) from e
    return replace(source, folder=Path(folder))


def fetch_all(sources: Iterable[Source], adapters: Adapters) -> list[Source]:
    """``sources`` with their local folders. Raises ConfigError, also for ``adapters`` that do not fit a model which was
    not known before."""
    before = list(sources)
    found = [fetch(source) for source in before]
    if found != before and (wrong := adapters.misfits(found)):
        raise ConfigError(wrong)
    return found


def _unreachable() -> str:
    """Why the hub cannot be reached, or empty. Behind a proxy only the client can tell."""
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if getproxies().keys() - {"no"}:
        return ""
    hub = urlsplit(ENDPOINT)
    try:
        socket.create_connection((hub.hostname or "", hub.port or 443), PATIENCE).close()
    except OSError as e:
        return f"{hub.hostname} cannot be reached: {e.strerror or e}"
    return ""


def _missing(repo: str, revision: str, why: str) -> str:
    return (
        f"the weights of {repo} at {revision[:8]} are not on this machine and cannot be downloaded ({why}); "
        f"on a machine with network run `hf download {repo} --revision {revision}` and copy its cache here, "
        "or use a folder: model=local model.path=FOLDER"
    )
