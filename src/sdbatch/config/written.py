"""An experiment as the user wrote it: its YAML files and the arguments, before anything was composed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Written:
    """``files``: (name, text) of the files, such as ``experiment/torii``; ``arguments``: ``key=value``."""

    files: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()


AS_DATA = Written()  # plain data, composed of nothing
