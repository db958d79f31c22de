"""The folder of wildcard files: ``colours.txt`` gives ``__colours__``, the keys of a YAML file give theirs.

Reads only files inside the folder, each once, when a prompt first refers to a wildcard.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from sdbatch.config.yaml_reader import load
from sdbatch.errors import nearest, shown
from sdbatch.prompts.draws import Values
from sdbatch.prompts.expansion import weighted

MAX_BYTES = 16 * 2**20  # of one file
MAX_FILES = 10_000
MAX_VALUES = 100_000  # of one name or pattern
_YAML = (".yaml", ".yml")


class WildcardFolder:
    """The wildcards of ``folder`` (relative to the working folder). Names contain / for folders and nested keys."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._values: dict[str, Values] = {}

    def values(self, name: str) -> Values:
        """The values of ``name``, or of all names that the pattern matches (``*``: in one folder, ``**``: in all).

        Raises ValueError if there are none, or if a file cannot be read.
        """
        if name not in self._values:
            self._values[name] = self._find(name)
        return self._values[name]

    def _find(self, name: str) -> Values:
        names = self._names
        pattern = re.compile(".*".join(re.escape(part).replace(r"\*", "[^/]*") for part in name.split("**")))
        found = [n for n in names if pattern.fullmatch(n)] if "*" in name else [name] * (name in names)
        lines = list(dict.fromkeys(line for n in found for source in names[n] for line in _lines(source)))
        if not lines:
            what = "has no values" if found else "matches nothing" if "*" in name else "is unknown"
            hint = nearest(name, names) or f"write \\__{name}__ for these characters"
            raise ValueError(f"__{name}__ {what} in the folder {shown(self._folder)} ({hint})")
        if len(lines) > MAX_VALUES:
            raise ValueError(f"__{name}__ has {len(lines):,} values; at most {MAX_VALUES:,} are possible")
        try:
            return weighted(lines)
        except ValueError as e:
            raise ValueError(f"__{name}__: {e}") from e

    @cached_property
    def _names(self) -> dict[str, list[Path | list[str]]]:
        """What each name consists of: text files, and lists of YAML files."""
        root = Path(self._folder).expanduser()
        if not root.is_dir():
            hint = "set wildcards.folder; paths are relative to the working folder, or to that of the experiment file"
            raise ValueError(f"a wildcard needs the folder {shown(self._folder)}, which does not exist ({hint})")
        names: dict[str, list[Path | list[str]]] = {}
        for file in wildcard_files(root.resolve()):
            own = file.relative_to(root.resolve()).with_suffix("").as_posix()
            entries = _keys(_data(file), own) if file.suffix.lower() in _YAML else [(own, file)]
            for name, source in entries:
                names.setdefault(name, []).append(source)
        return dict(sorted(names.items()))


def wildcard_files(root: Path) -> list[Path]:
    """The files below ``root``, without those that are links to a place outside it."""
    found = []
    for folder, _, files in os.walk(root):
        paths = (Path(folder, f) for f in files if Path(f).suffix.lower() in (".txt", *_YAML))
        found += [p for p in paths if Path(os.path.realpath(p)).is_relative_to(root)]  # resolve() raises for a loop
        if len(found) > MAX_FILES:
            raise ValueError(f"{shown(str(root))} contains more than {MAX_FILES:,} wildcard files")
    return sorted(found)


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"the wildcard file {file.name} is larger than {MAX_BYTES // 2**20} MiB")
        return file.read_text("utf-8-sig")
    except UnicodeError:
        raise ValueError(f"the wildcard file {file.name} is not UTF-8 text") from None
    except OSError as e:
        raise ValueError(f"the wildcard file {file.name} cannot be read: {e.strerror or e}") from e


def _lines(source: Path | list[str]) -> list[str]:
    if isinstance(source, list):
        return source
    lines = (line.strip() for line in _text(source).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _data(file: Path) -> Any:
    try:
        return load(_text(file))
    except ValueError as e:
        raise ValueError(f"the wildcard file {file.name}: {e}") from e


def _keys(data: Any, name: str) -> Iterator[tuple[str, list[str]]]:
    """(name, values) of the lists in a YAML file: a list has the file's name, a key its own, nested ones with /."""
    if isinstance(data, list):
        yield name, [str(value).strip() for value in data if isinstance(value, str | int | float)]
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _nested(value, str(key))


def _nested(data: Any, name: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _nested(value, f"{name}/{key}")
    else:
        yield from _keys(data, name)
