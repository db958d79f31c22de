"""Which files exist, from lists of folders: a million questions about files are slow on the disks of clusters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sdbatch.spec.file_names import PNG


class Listing:
    """The files in ``root`` that records name. Each folder is listed once, when it is first asked about."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        """Whether the file at a record's ``path`` existed when its folder was listed; its size is not compared."""
        folder, _, name = path.rpartition("/")
        if (names := self._names.get(folder)) is None:
            names = self._names[folder] = names_in([self._root / folder])
        return name in names


def names_in(folders: Iterable[Path]) -> frozenset[str]:
    """The names of everything in ``folders``; those that do not exist are empty."""
    found: set[str] = set()
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            found.update(entry.name for entry in entries)
    return frozenset(found)


def shots_in(folders: Iterable[Path]) -> frozenset[str]:
    """The ids of the shots in ``folders``."""
    return frozenset(name.removesuffix(PNG) for name in names_in(folders) if name.endswith(PNG))
