r"""What a prompt says at every step, in the syntax of A1111. Pure.

``[from:to:when]``, ``[to:when]`` and ``[from::when]`` change the text after step ``when``; with a point ``when`` is a
share of the steps. ``[a|b]`` alternates from step to step. Both nest, also in ``(…)``. ``AND`` divides a prompt into
parts with weights (``cat:1.2 AND dog``) that the sampler combines. What is not of these forms is plain text, which may
contain attention; ``\[ \| \:`` are literal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate

DEPTH = 100  # of brackets; a text with more inside each other is plain
PARTS = 16  # of AND
MAX_WEIGHT = 100.0  # of a part; larger weights only damage the picture
_TOKENS = re.compile(r"\\.|[()\[\]:|]|[^\\()\[\]:|]+|\\", re.DOTALL)
_WHEN = re.compile(r"\s*([+-]?(?:\d{1,9}\.?\d{0,9}|\.\d{1,9}))\s*")
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r":\s*([-+]?(?:\d{1,9}\.?\d{0,9}|\.\d{1,9}))\s*\Z")


@dataclass(frozen=True, slots=True)
class Change:
    """``[before:after:when]``."""

    before: Nodes
    after: Nodes
    when: str

    def step(self, steps: int) -> int:
        """The last of ``steps`` steps that shows ``before``."""
        number = float(self.when)
        return min(steps, int(number * steps if "." in self.when else number))


@dataclass(frozen=True, slots=True)
class Cycle:
    """``[a|b]``."""

    options: tuple[Nodes, ...]


Node = str | Change | Cycle
Nodes = tuple[Node, ...]


@dataclass(slots=True)
class _Frame:
    """An open bracket, its segments so far and the marks between them."""

    bracket: str
    segments: list[list[Node]] = field(default_factory=lambda: [[]])
    marks: list[str] = field(default_factory=list)

    def plain(self) -> Iterator[Node]:
        """The content as it is written, without the brackets."""
        for mark, segment in zip(["", *self.marks], self.segments, strict=True):
            yield from ([mark] if mark else [])
            yield from segment


def changes(text: str) -> bool:
    """Whether ``text`` is not the same at every step."""
    return "[" in text and any(not isinstance(node, str) for node in parse(text))


def composed(text: str) -> bool:
    """Whether ``text`` consists of several parts."""
    return "AND" in text and _AND.search(text) is not None


def parts(text: str) -> tuple[tuple[float, str], ...]:
    """(weight, text) of the parts between ``AND``: one part of weight 1 without it. Parts beyond 16 stay joined."""
    if not composed(text):
        return ((1.0, text),)
    return tuple(map(_weighted, _AND.split(text, PARTS - 1)))


def _weighted(part: str) -> tuple[float, str]:
    found = _WEIGHT.search(part)
    return (max(-MAX_WEIGHT, min(MAX_WEIGHT, float(found[1]))), part[: found.start()]) if found else (1.0, part)


def schedule(text: str, steps: int) -> list[tuple[int, str]]:
    """(last step, text) for ``steps`` ≥ 1 steps, which count from 1. Neighbours differ; the last entry ends at
    ``steps``."""
    tree = parse(text) if "[" in text else (text,)
    ends = sorted({steps} | {end for end in _ends(tree, steps) if 1 <= end < steps})
    out: list[tuple[int, str]] = []
    for end in ends:
        now = "".join(_at(tree, end, steps))
        if out and out[-1][1] == now:
            out.pop()
        out.append((end, now))
    return out


@lru_cache(maxsize=1024)
def by_step(text: str, steps: int) -> tuple[str, ...]:
    """The text at each of ``steps`` steps."""
    out: list[str] = []
    for end, now in schedule(text, steps):
        out += [now] * (end - len(out))
    return tuple(out)


def _ends(nodes: Iterable[Node], steps: int) -> set[int]:
    """Steps after which a text may change."""
    out: set[int] = set()
    for node in nodes:
        if isinstance(node, Change):
            out |= {node.step(steps)} | _ends(node.before, steps) | _ends(node.after, steps)
        elif isinstance(node, Cycle):
            out |= set(range(1, steps)).union(*(_ends(option, steps) for option in node.options))
    return out


def _at(nodes: Iterable[Node], step: int, steps: int) -> Iterator[str]:
    """The text at ``step``, in pieces."""
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, Change):
            yield from _at(node.before if step <= node.step(steps) else node.after, step, steps)
        else:
            yield from _at(node.options[(step - 1) % len(node.options)], step, steps)


@lru_cache(maxsize=4096)
def parse(text: str) -> Nodes:
    """The text as a tree. A bracket that is not closed, or that closes nothing, is plain text, and then so are the
    brackets around it."""
    pieces = _TOKENS.findall(text)
    if _depth(pieces) > DEPTH:
        return (text,)
    root: list[Node] = []
    stack: list[_Frame] = []
    for piece in pieces:
        if piece in ("(", "["):
            stack.append(_Frame(piece))
        elif piece in (":", "|") and stack:
            stack[-1].marks.append(piece)
            stack[-1].segments.append([])
        elif piece in (")", "]"):
            closed = _close(stack.pop(), piece) if stack and stack[-1].bracket == "(["[piece == "]"] else None
            if closed is None or closed[0]:
                _flatten(stack, root)
            (stack[-1].segments[-1] if stack else root).extend([piece] if closed is None else closed[1])
        else:
            (stack[-1].segments[-1] if stack else root).append(piece)
    _flatten(stack, root)
    return tuple(_merged(root))


def _depth(pieces: Iterable[str]) -> int:
    """How many brackets are open at most."""
    return max(accumulate((p in ("(", "[")) - (p in (")", "]")) for p in pieces), default=0)


def _flatten(stack: list[_Frame], root: list[Node]) -> None:
    """Make all open brackets plain text."""
    for frame in stack:
        root += [frame.bracket, *frame.plain()]
    stack.clear()


def _close(frame: _Frame, piece: str) -> tuple[bool, list[Node]]:
    """(whether it is not part of the grammar, so that the brackets around it are plain text, nodes)."""
    plain = [frame.bracket, *frame.plain(), piece]
    if frame.bracket == "(":
        return frame.marks.count(":") > 1, plain
    inner = [tuple(_merged(segment)) for segment in frame.segments]
    if not frame.marks:
        return False, plain
    if set(frame.marks) == {"|"}:
        return False, [Cycle(tuple(inner))]
    when = _WHEN.fullmatch("".join(n for n in inner[-1] if isinstance(n, str))) if len(inner[-1]) == 1 else None
    if "|" in frame.marks or len(inner) > 3 or when is None:
        return True, plain
    before: Nodes = inner[0] if len(inner) == 3 else ()
    return False, [Change(before, inner[-2], when[1])]


def _merged(nodes: Iterable[Node]) -> Iterator[Node]:
    """``nodes`` with neighbouring texts joined."""
    text: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            text.append(node)
            continue
        if text:
            yield "".join(text)
        text = []
        yield node
    if text:
        yield "".join(text)
