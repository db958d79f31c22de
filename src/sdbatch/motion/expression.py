"""Arithmetic over ``t`` and ``max_f``, as Deforum's schedules have it: a grammar of our own, nothing is executed.

    sum      = product { ("+" | "-") product }
    product  = sign { ("*" | "/" | "%") sign }
    sign     = [ "+" | "-" ] sign | atom
    atom     = number | "t" | "max_f" | "pi" | function "(" sum { "," sum } ")" | "(" sum ")"

``%`` has the sign of its left side, as in numexpr, with which Deforum evaluates.
"""

from __future__ import annotations

import math
import operator
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from sdbatch.errors import nearest, shown

FUNCTIONS: dict[str, tuple[Callable[..., float], int]] = {  # and how many arguments: 1, or (0) two and more
    "sin": (math.sin, 1),
    "cos": (math.cos, 1),
    "tan": (math.tan, 1),
    "abs": (abs, 1),
    "min": (min, 0),
    "max": (max, 0),
}
_OPERATORS: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    "negative": operator.neg,
}
_NAMES = ("t", "max_f", "pi")
_KNOWN = (*_NAMES, *FUNCTIONS, *"+-*/%(),")
_ALLOWED = f"allowed: numbers, {', '.join(_NAMES)}, + - * / %, parentheses, {', '.join(FUNCTIONS)}"
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<mark>\*\*|//|[^\s]))"
)
DEPTH = 60  # of nesting, and of operators in a row: evaluation is recursive


@dataclass(frozen=True, slots=True)
class Call:
    """``function`` (of ``FUNCTIONS``, or an operator) of ``arguments``; ``depth`` is that of the tree."""

    function: str
    arguments: tuple[Node, ...]
    depth: int


Node = float | str | Call  # a number, ``t`` or ``max_f``, or a call


def evaluate(node: Node, t: float, max_f: float) -> float:
    """The finite value at frame ``t`` of a video whose last frame is ``max_f``. Raises ValueError if there is none."""
    try:
        value = _evaluate(node, float(t), float(max_f))
    except (ArithmeticError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"the expression has no finite value at frame {t:g}")
    return value


def _evaluate(node: Node, t: float, max_f: float) -> float:
    if isinstance(node, Call):
        function = _OPERATORS.get(node.function) or FUNCTIONS[node.function][0]
        return function(*(_evaluate(a, t, max_f) for a in node.arguments))
    return (t if node == "t" else max_f) if isinstance(node, str) else node


def parse(text: str, column: int = 1) -> Node:
    """The tree of ``text``, which begins at ``column`` of a longer text. ValueError, with the column, if it is none."""
    reader = _Reader(text, column)
    node = reader.sum()
    if reader.word:
        reader.refuse()
    return node


class _Reader:
    def __init__(self, text: str, column: int) -> None:
        groups = ((m, m.lastgroup or "mark") for m in _TOKEN.finditer(text))
        self._tokens = deque((kind, m[kind], m.start(kind)) for m, kind in groups)
        self._column, self._end = column, len(text)
        self._open = 0
        self._next()

    def _next(self) -> None:
        self.kind, self.word, self._at = self._tokens.popleft() if self._tokens else ("", "", self._end)

    def refuse(self) -> NoReturn:
        where = f"in column {self._column + self._at}"
        if not self.word:
            raise ValueError(f"the expression ends too early {where}")
        if self.word in _KNOWN or self.kind == "number":
            raise ValueError(f"{shown(self.word)} is not expected {where} of the schedule")
        hint = nearest(self.word, [*_NAMES, *FUNCTIONS]) if self.kind == "name" else ""
        raise ValueError(f"unknown {shown(self.word)} {where}; {_ALLOWED}" + (f"; {hint}" if hint else ""))

    def _take(self, mark: str) -> None:
        if self.word != mark:
            self.refuse()
        self._next()

    def _call(self, function: str, *arguments: Node) -> Call:
        depth = 1 + max(a.depth if isinstance(a, Call) else 0 for a in arguments)
        self._limit(depth)
        return Call(function, arguments, depth)

    def _limit(self, depth: int) -> None:
        if depth > DEPTH:
            where = f"in column {self._column + self._at}"
            raise ValueError(f"the expression is too long {where}: at most {DEPTH} operators or brackets in a row")

    def sum(self) -> Node:
        self._open += 1
        self._limit(self._open)
        node = self._product()
        while self.word in ("+", "-"):
            node = self._operation(node, self._product)
        self._open -= 1
        return node

    def _product(self) -> Node:
        node = self._sign()
        while self.word in ("*", "/", "%"):
            node = self._operation(node, self._sign)
        return node

    def _operation(self, left: Node, right: Callable[[], Node]) -> Node:
        mark = self.word
        self._next()
        return self._call(mark, left, right())

    def _sign(self) -> Node:
        negative = False
        while self.word in ("+", "-"):
            negative ^= self.word == "-"
            self._next()
        return self._call("negative", self._atom()) if negative else self._atom()

    def _atom(self) -> Node:
        kind, word = self.kind, self.word
        if kind == "number":
            self._next()
            return float(word)
        if word in _NAMES:
            self._next()
            return math.pi if word == "pi" else word
        if word in FUNCTIONS:
            return self._function(word)
        self._take("(")
        node = self.sum()
        self._take(")")
        return node

    def _function(self, name: str) -> Node:
        start = self._column + self._at
        self._next()
        self._take("(")
        arguments = [self.sum()]
        while self.word == ",":
            self._next()
            arguments.append(self.sum())
        self._take(")")
        wanted = FUNCTIONS[name][1]
        if len(arguments) != wanted if wanted else len(arguments) < 2:
            needed = "one value" if wanted else "two or more values"
            raise ValueError(f"{name} in column {start} takes {needed}, not {len(arguments)}")
        return self._call(name, *arguments)
