"""Escapes user text, so that OmegaConf does not interpret ``${`` or ``???`` in a prompt while it composes.

Waves of schedules are put in a list, because OmegaConf merges mappings and cannot merge them with lists.

Does not depend on Hydra or OmegaConf.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sdbatch.errors import ConfigError
from sdbatch.motion.keys import CURVES

LITERAL = ("prompts", "negative", "sweep", "skip", "motion.phrase", "motion.prompts", "final.set")  # keys of user text
_WAVE = re.compile(rf"(\+*motion\.(?:{'|'.join(CURVES)}))=(\{{[^{{}}]*\}})")
_PART = re.compile(rf"\+*((motion\.(?:{'|'.join(CURVES)}))\.\w+)=")
_HOME = re.compile(r"\+*[\w.]+=~[^'\"\\,{}\[\]()]*")
_NAMES = frozenset(key.split(".")[-1] for key in LITERAL)


def escaped(data: Mapping[Any, Any]) -> dict[Any, Any]:
    """The data of a YAML file with its user text escaped."""
    return {k: _escaped_value(k, _in_lists(v) if k == "motion" else v) for k, v in data.items()}


def _in_lists(section: Any) -> Any:
    """The section ``motion`` with every wave in a list."""
    if not isinstance(section, Mapping):
        return section
    return {k: [v] if k in CURVES and isinstance(v, Mapping) else v for k, v in section.items()}


def escaped_argument(argument: str) -> str:
    """``key=value``, escaped if the key holds user text; a wave is put in a list.

    Raises ConfigError for a single key of a wave.
    """
    if m := _PART.match(argument):
        raise ConfigError.one(m[1], "a schedule is given as a whole", f"write '{m[2]}={{wave: sin, …}}'")
    if m := _WAVE.fullmatch(argument):
        return f"{m[1]}=[{m[2]}]"
    if _HOME.fullmatch(argument):
        return argument.replace("=", "='", 1) + "'"  # Hydra's parser knows no ~
    key = argument.lstrip("+~").partition("=")[0]
    literal = any(f"{key}.".startswith(f"{k}.") or k.startswith(f"{key}.") for k in LITERAL)
    return _escape(argument) if literal else argument


def unescaped(value: Any) -> Any:
    """A text, or data with all texts in it, as before it was escaped."""
    return _map_texts(value, _unescape)


def _escaped_value(key: Any, value: Any) -> Any:
    if key in _NAMES:
        return _map_texts(value, _escape)
    return escaped(value) if isinstance(value, Mapping) and key != "hydra" else value  # hydra.sweep is not user text


def _escape(text: str) -> str:
    """Put a private-use character into ``${`` and ``???``. Existing escapes get longer, so this is reversible."""
    return re.sub(r"\$\ue000*\{|\A\?\?\ue000*\?\Z", lambda m: f"{m[0][:-1]}\ue000{m[0][-1]}", text)


def _unescape(text: str) -> str:
    return re.sub(r"\$\ue000+\{|\A\?\?\ue000+\?\Z", lambda m: f"{m[0][:-2]}{m[0][-1]}", text)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_map_texts(k, change): _map_texts(v, change) for k, v in value.items()}
    return [_map_texts(v, change) for v in value] if isinstance(value, list) else value
