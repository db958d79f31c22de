"""Keys that YAML files must not set. The command line is trusted; a file may come from another person.

Hydra calls the object that ``_target_`` names, logging calls ``()`` and ``class``, clusters run ``setup`` as shell
commands, and ``hydra.run.dir`` can be any folder. Experiments need none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdbatch.errors import Problem

CALLS = ("_target_", "()", "setup")
SECTIONS = ("launcher", "sweeper", "mode")  # of hydra.*
_HINT = "set it on the command line"


def forbidden_keys(path: str, data: Mapping[Any, Any], package: str = "") -> list[Problem]:
    """A Problem for every forbidden key in ``data``, the contents of the file at ``path``.

    ``path`` is relative to its configuration folder, without suffix; ``package`` comes from the file's first line.
    """
    section = package or path.rpartition("/")[0].replace("/", ".")
    by_package = {section: data} if section.startswith("hydra") else {"hydra": data.get("hydra", {})}
    problems = [_problem(key, path) for key, value in by_package.items() for key in _sections(key, value)]
    problems += [
        _problem(key, path) for key in _calls(data, "") if not (section == "hydra.launcher" and key == "setup")
    ]
    defaults = data.get("defaults")
    targets = [
        str(k) for d in (defaults if isinstance(defaults, list) else []) for k in (d if isinstance(d, Mapping) else [d])
    ]
    return problems + [_problem(k, path) for k in targets if "hydra" in k.partition("@")[2]]


def _problem(key: str, path: str) -> Problem:
    return Problem(key, f"is not allowed in {path}.yaml", _HINT)


def _sections(package: str, value: Any) -> Iterator[str]:
    """``hydra.x`` for every x that files must not set."""
    section = package.partition(".")[2].partition(".")[0]
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
