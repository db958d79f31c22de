"""Parses YAML of users, or reports the mistake in one line. Does not depend on what the data mean."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from yaml.reader import ReaderError

LIMIT = 1_000_000  # values, with aliases expanded: nested aliases could fill the memory
DEPTH = 50
_TOO_DEEP = f"nested more than {DEPTH} deep"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_AFTER_A_BRACKET = ("did not find expected key", "did not find expected '-' indicator")
_Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Fast):  # type: ignore[misc]
    """A safe loader that rejects duplicate keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value}", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


@cache
def _decimal(loader: Any) -> Any:
    """``loader`` without YAML 1.1's base-60 numbers, in which 16:9 is 969.

    YAML 1.2 has no base 60, so its writers do not quote ratios (``dvc exp run -S`` rewrites an experiment).
    """

    class Decimal(loader):  # type: ignore[misc]
        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            found = super().resolve(kind, value, implicit)
            return self.DEFAULT_SCALAR_TAG if found in _NUMBERS and ":" in value else found

    return Decimal


def load(text: str, loader: Any = Loader) -> Any:
    """The data in ``text``. Raises ValueError with the line and the problem."""
    try:
        _check_depth(text)  # first: on deep nesting libyaml's recursive loader crashes the process
        data = yaml.load(text, Loader=_decimal(loader))  # noqa: S506  (safe loaders only)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{_explanation(e, text)}") from e
    except ReaderError as e:
        raise ValueError(f"character {e.position}: {e.reason}") from e
    except ValueError:
        raise
    except Exception as e:  # PyYAML raises other exceptions for some tags and numbers
        raise ValueError(f"a value that cannot be read ({e})") from e
    _check_size(data)
    return data


def _explanation(error: yaml.MarkedYAMLError, text: str) -> str:
    """PyYAML's message, or a clearer one for frequent mistakes."""
    message, opened = str(error.problem or error.context), error.context_mark
    if "cannot start any token" in message and (mark := error.problem_mark):
        found = text.split("\n")[mark.line][mark.column : mark.column + 1]
        return "a tab; indent with spaces" if found == "\t" else f"{found!r} cannot start a value; quote it"
    if "escape" in message:
        return "a backslash in double quotes starts an escape; use single quotes, or / in paths"
    if "quoted scalar" in str(error.context) and opened:
        return f"the quote that starts in line {opened.line + 1} is not closed"
    if "flow" in str(error.context) and opened:
        return f"{message} (the bracket in line {opened.line + 1}; quote texts with brackets, commas or colons)"
    if "mapping values" in message:
        return "unexpected colon; quote a text that contains a colon, and check the indentation"
    return f"{message}; quote a text that starts with a bracket" if message in _AFTER_A_BRACKET else message


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Fast):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise ValueError(_TOO_DEEP)


def _check_size(data: Any) -> None:
    stack, count = [(data, 0)], 0
    while stack:
        value, depth = stack.pop()
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        count += len(inner)
        if depth > DEPTH:
            raise ValueError(_TOO_DEEP)
        if count > LIMIT:
            raise ValueError(f"more than {LIMIT:,} values")
        if any(isinstance(v, int) and v.bit_length() > 1000 for v in inner):
            raise ValueError("a number of more than 300 digits")
        stack += [(v, depth + 1) for v in inner if isinstance(v, dict | list)]
