"""What a YAML file may tell Hydra. Whoever starts the program may say anything; a file may come from others.

Hydra calls what ``_target_`` names, logging calls ``()`` and ``class``, clusters run ``setup`` as shell lines, and
``hydra.run.dir`` is a folder anywhere. None of it is for experiments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdbatch.errors import Problem

CALLS = ("_target_", "()", "setup")
SECTIONS = ("launcher", "sweeper", "mode")  # of hydra.*
_HINT = "give it on the command line"


def forbidden_keys(path: str, data: Mapping[Any, Any], package: str = "") -> list[Problem]:
    """What the file at ``path`` (in its configuration folder) must not say. ``package``: from its first line."""
    place = package or path.rpartition("/")[0].replace("/", ".")
    whole = {place: data} if place.startswith("hydra") else {"hydra": data.get("hydra", {})}
    problems = [_refused(key, path) for key, value in whole.items() for key in _sections(key, value)]
    problems += [_refused(key, path) for key in _calls(data, "") if not (place == "hydra.launcher" and key == "setup")]
    defaults = data.get("defaults")
    moved = [
        str(k) for d in (defaults if isinstance(defaults, list) else []) for k in (d if isinstance(d, Mapping) else [d])
    ]
    return problems + [_refused(k, path) for k in moved if "hydra" in k.partition("@")[2]]


def _refused(key: str, path: str) -> Problem:
    return Problem(key, f"is not for files ({path}.yaml)", _HINT)


def _sections(place: str, value: Any) -> Iterator[str]:
    """``hydra.x`` for every x that is not for files."""
    section = place.partition(".")[2].partition(".")[0]
    names = [section] if section else list(value) if isinstance(value, Mapping) else []
    yield from (f"hydra.{name}" for name in names if name not in SECTIONS)


def _calls(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for k, v in value.items():
            inner = f"{key}.{k}" if key else str(k)
            if k in CALLS:
                yield inner
            yield from _calls(v, inner)
    elif isinstance(value, list):
        for v in value:
            yield from _calls(v, key)
