"""Reads a text file that an experiment names. Paths are relative to the working folder."""

from __future__ import annotations

from pathlib import Path

from sdbatch.errors import ConfigError, shown

FILE_LIMIT = 64 * 2**20


def read_file(file: str, key: str) -> str:
    """The text of a file that the key ``key`` names. Raises ConfigError."""
    try:
        path = Path(file).expanduser()
        if path.stat().st_size > FILE_LIMIT:
            raise ConfigError.one(key, f"{shown(file)} is larger than {FILE_LIMIT // 2**20} MiB")
        return path.read_text("utf-8-sig")
    except (OSError, ValueError, RuntimeError) as e:  # RuntimeError: ~ without a home
        reason = "it is not UTF-8 text" if isinstance(e, UnicodeError) else getattr(e, "strerror", None) or e
        hint = "paths are relative to the current folder"
        raise ConfigError.one(key, f"{shown(file)} cannot be read: {reason}", hint) from e
