"""YAML that people wrote: read whole, or refused in one line. Knows nothing of what it means."""

from __future__ import annotations

from typing import Any

import yaml

LIMIT = 1_000_000  # values, counted where they are used: aliases of aliases would fill the memory
DEPTH = 50
FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEP = f"is nested more than {DEPTH} deep"


def load(text: str, loader: type[Any] = FAST) -> Any:
    """The data in ``text``. Raises ValueError that names the line and what is wrong there."""
    try:
        _flat(text)  # the loaders recurse: libyaml's crashes the process on deep brackets
        data = yaml.load(text, Loader=loader)  # noqa: S506  (safe loaders only)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{e.problem or e.context}") from e
    except Exception as e:  # a date, number or tag that the reader itself stumbles over
        raise ValueError(" ".join(str(e).split())[:200] or type(e).__name__) from e
    _bounded(data)
    return data


def _flat(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=FAST):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise ValueError(_DEEP)


def _bounded(data: Any) -> None:
    stack, count = [(data, 0)], 0
    while stack:
        value, depth = stack.pop()
        inner = list(value.values()) if isinstance(value, dict) else value
        count += len(inner) if isinstance(inner, list) else 0
        if depth > DEPTH or count > LIMIT:
            raise ValueError(_DEEP if depth > DEPTH else f"holds more than {LIMIT:,} values")
        stack += [(v, depth + 1) for v in inner or () if isinstance(v, dict | list)] if isinstance(inner, list) else ()
