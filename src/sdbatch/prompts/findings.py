"""What looks like a mistake in the text of a prompt, with its place. Findings are warnings. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from sdbatch.prompts.expansion import WILDCARD
from sdbatch.prompts.place import place
from sdbatch.prompts.schedule import PARTS

MOST = 5  # findings of one text
_SEEN = 200  # characters before a closing bracket that are looked at
_TOKENS = re.compile(r"\\.|[()\[\]{}|]|[^\\()\[\]{}|]+|\\", re.DOTALL)
_CLOSING = {")": "(", "]": "[", "}": "{"}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*")
_WEIGHT = re.compile(r":\s*([^\s:]{0,12})\s*$")
_CHANGE = re.compile(r"[^:]*:(?:[^:]*:)?\s*([^\s:]{1,12})\s*$")
_AMOUNT = re.compile(r"\{([^{}|]{1,20}?)\$\$")
_GOOD_AMOUNT = re.compile(r"~?\d*-?\d*|~?\d*-?\d*\$\$.*", re.DOTALL)
_ALMOST = r"[+-]?(?:nan|inf(?:inity)?|[0-9.]+e[+-]?[0-9]+)"  # numbers of programs, not of prompts
_NO_WEIGHT = re.compile(rf"(?:\{{~?|\|)\s*({_ALMOST})\s*::", re.IGNORECASE)
_NO_PART_WEIGHT = re.compile(rf":\s*({_ALMOST})\s*$", re.IGNORECASE)
_OTHER_DRAWS = re.compile(r"\{[@!](?=[^{}]*\|)|__[@!](?=[\w*/-]+__)")
_VARIABLES = re.compile(r"\$\{[\w!?=:]")
_OPEN_TAG = re.compile(r"<(?:lora|lyco):(?![^<>]*>)")
_AND = re.compile(r"\bAND\b")
_EXPANDED = re.compile(rf"\{{(?=[^{{}}]*[|~])|{WILDCARD}")
Finding = tuple[int, str]


@dataclass(slots=True)
class _Open:
    """An open bracket; ``last``: where its last alternative begins; ``bars``: how many it has."""

    bracket: str
    at: int
    last: int
    bars: int = 0
    empty: int = 0


@lru_cache(maxsize=1024)
def findings(text: str, negative: bool = False) -> tuple[str, ...]:
    """Brackets without a partner, empty alternatives, weights that are not numbers, syntax that does not exist here:
    ``column 3, "a <here>((sea": …``; at most ``MOST``. In a negative prompt less syntax exists."""
    found = sorted({*_brackets(text), *_patterns(text), *(_plain_in_negative(text) if negative else _parts(text))})
    return tuple(f"{place(text, at)}: {message}" for at, message in found[:MOST])


def _brackets(text: str) -> Iterator[Finding]:
    stack: list[_Open] = []
    count = Counter[str]()
    for token in _TOKENS.finditer(text):
        piece, at = token[0], token.start()
        if piece in "([{":
            stack.append(_Open(piece, at, at + 1))
            count[piece] += 1
        elif piece == "|" and stack:
            top = stack[-1]
            top.empty += not text[top.last : at].strip() and top.bars > 0
            top.last, top.bars = at + 1, top.bars + 1
        elif piece in _CLOSING:
            if not count[_CLOSING[piece]]:
                yield at, f"this {piece} has no {_CLOSING[piece]} before it"
                continue
            while (top := stack.pop()).bracket != _CLOSING[piece]:
                count[top.bracket] -= 1
                yield _unclosed(top)
            count[top.bracket] -= 1
            yield from _closed(text, top, at)
    yield from map(_unclosed, stack)


def _unclosed(opened: _Open) -> Finding:
    return opened.at, f"this {opened.bracket} is not closed"


def _closed(text: str, opened: _Open, end: int) -> Iterator[Finding]:
    """Mistakes in the brackets from ``opened`` to ``end``."""
    inner = text[max(opened.at + 1, end - _SEEN) : end]
    if opened.bars and opened.bracket != "(":
        if not inner.strip("| \n"):
            yield opened.at, "every alternative is empty"
        elif opened.empty:
            yield opened.at, "an alternative between two bars is empty"
    elif opened.bracket == "(" and not inner.strip():
        yield opened.at, "the brackets are empty"
    elif opened.bracket == "(" and (weight := _WEIGHT.search(inner)) and not _NUMBER.fullmatch(weight[1]):
        yield opened.at + 1 + weight.start(1), f"{weight[1]!r} is not a weight; for example write (sea:1.2)"
    elif opened.bracket == "[":
        yield from _change(inner, opened.at)


def _change(inner: str, at: int) -> Iterator[Finding]:
    """Mistakes in ``[from:to:when]``."""
    found = _CHANGE.fullmatch(inner)
    if found is None or not inner.count(":"):
        return
    if not _NUMBER.fullmatch(found[1]):
        if inner.count(":") == 2:
            yield at, f"{found[1]!r} is neither a step nor a share such as 0.4: [from:to:when] is plain text here"
    elif float(found[1]) <= 0:
        yield at, f"the text changes before the first step ({found[1]})"
    elif "." in found[1] and float(found[1]) >= 1:
        yield at, f"the text never changes: {found[1]} with a point is a share of the steps; write a step as 5"


def _parts(text: str) -> Iterator[Finding]:
    """Mistakes in ``AND``."""
    marks = list(_AND.finditer(text))
    ends = [*(m.start() for m in marks), len(text)]
    for start, end in zip([0, *(m.end() for m in marks)], ends, strict=True):
        part = text[start:end]
        if marks and (found := _NO_PART_WEIGHT.search(part)):
            yield start + found.start(1), f"{found[1]!r} is not a weight; for example write cat:1.2 AND dog"
        if marks and not part.strip():
            yield min(start, max(len(text) - 1, 0)), "this part of AND is empty"
        elif marks and any(part.count(a) != part.count(b) for a, b in ("()", "[]")):
            yield start, "AND divides the whole prompt, also between brackets"
    if len(marks) >= PARTS:
        yield marks[PARTS - 1].start(), f"only {PARTS} parts are possible: this AND and those after it are words"


def _plain_in_negative(text: str) -> Iterator[Finding]:
    for found in _EXPANDED.finditer(text):
        yield found.start(), "negative prompts are not expanded: plain text"
    for found in _AND.finditer(text):
        yield found.start(), "AND does not divide negative prompts: a word"


def _patterns(text: str) -> Iterator[Finding]:
    for found in _AMOUNT.finditer(text):
        if not _GOOD_AMOUNT.fullmatch(found[1]):
            yield found.start(), f"{found[1]!r} before $$ is not a number; for example write {{2$$a|b|c}}"
    for found in _NO_WEIGHT.finditer(text):
        yield found.start(1), f"{found[1]!r} is not a weight; for example write {{~2::red|green}}"
    for found in _OTHER_DRAWS.finditer(text):
        yield found.start(), "only ~ (a random choice) is known here, not @ and !: these characters are plain text"
    for found in _OPEN_TAG.finditer(text):
        yield found.start(), "this < is not closed: plain text; write <lora:name:0.8>"
    for found in _VARIABLES.finditer(text):
        yield found.start(), "variables ${…} of dynamic-prompts are not known: plain text"
