"""Paths that begin with ``~``."""

from __future__ import annotations

from pathlib import Path

from sdbatch.errors import ConfigError, shown


def expanded(path: str, at: str) -> Path:
    """``path`` with the home folder in place of ``~``. Raises ConfigError with the key ``at`` if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError.one(at, f"{shown(path)}: there is no such user") from None
