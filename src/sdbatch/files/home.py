"""Paths that begin with ``~``."""

from __future__ import annotations

from pathlib import Path

from sdbatch.errors import ConfigError, shown


def expand(path: str) -> Path:
    """``path`` with the home folder in place of ``~``. Raises ValueError if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{shown(path)}: there is no such user") from None


def expanded(path: str, at: str) -> Path:
    """As ``expand``, but raises ConfigError with the key ``at``."""
    try:
        return expand(path)
    except ValueError as e:
        raise ConfigError.one(at, str(e)) from None
