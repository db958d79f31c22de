"""An experiment as readable YAML: only what differs from the defaults, in the order of the keys. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from sdbatch.config.experiment import Experiment

FIRST = ("name", "task", "prompts", "negative", "canvas", "seeds", "sampling", "motion", "encoding", "sweep", "skip")
WIDTH = 110  # characters of a line
MANY = 500  # texts of a list, which are all quoted
_quoted = json.JSONEncoder(ensure_ascii=False).encode


_Fast: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Fast):  # type: ignore[misc]
    """Lists and mappings without inner ones in one line, as people write them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        return super().represent_sequence(tag, sequence, flow_style=not any(map(_nested, sequence)))

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        return super().represent_mapping(tag, mapping, flow_style=False)


def _nested(value: Any) -> bool:
    """Whether a value of a list deserves a line of its own: a mapping, a long text, or a list that contains some."""
    if isinstance(value, Mapping):
        return True
    return len(value) > 60 if isinstance(value, str) else isinstance(value, list) and len(value) > 0


def different(data: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of ``data`` that differ from ``base``; sections are compared key by key."""
    out: dict[str, Any] = {}
    for key, value in data.items():
        usual = base.get(key)
        if isinstance(value, Mapping) and isinstance(usual, Mapping):
            if inner := different(value, usual):
                out[key] = inner
        elif key not in base or not _equal(value, usual):
            out[key] = value
    return out


def _equal(a: Any, b: Any) -> bool:
    """As equal, but true is not 1."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def text(settings: Mapping[str, Any], model: str, command: str) -> str:
    """The file: a comment with its command, the model if it is not the usual one (then empty), and the settings."""
    head = f"# {command}\n"
    if model:
        head += f"defaults:\n- override /model: {model}\n"
    names = [*FIRST, *(k for k in Experiment.model_fields if k not in FIRST)]
    return head + "".join(_entry(k, settings[k]) for k in names if k in settings)


def _entry(key: str, value: Any) -> str:
    """A key with its value. PyYAML takes 5 µs for every text; thousands of prompts are written at every check."""
    if isinstance(value, list) and len(value) > MANY and all(isinstance(v, str) and v.isprintable() for v in value):
        return f"{key}:\n" + "".join(f"- {_quoted(v)}\n" for v in value)
    return str(yaml.dump({key: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH))
