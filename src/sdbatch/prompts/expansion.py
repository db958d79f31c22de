r"""What a prompt's text expands to when it is planned, in the syntax of the dynamic-prompts extension. Pure.

``{a|b}`` and ``__name__`` are all of their values, ``{~a|b}`` and ``__~name__`` one of them, drawn by a seed of its
own; ``{2$$a|b|c}`` and ``{1-2$$ and $$a|b|c}`` are combinations, ``{0.5::a|b}`` has weights. Groups nest. Everything
inside a group that is drawn is drawn. A bar inside ``[a|b]`` belongs to the brackets. ``\{ \| \}`` and ``\__name__``
are literal, and so are braces without ``|``, ``~`` or ``$$``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sdbatch.prompts.combine import Option, Texts, combined, joined, multiplied
from sdbatch.prompts.draws import Draws, Values
from sdbatch.prompts.place import PromptError

DEPTH = 16  # wildcards inside the values of wildcards
_NUMBER = r"(?:\d{1,9}\.?\d{0,9}|\.\d{1,9})"
WILDCARD = r"(?<!_)__~?(?!_)[\w*/-]{1,200}?__(?!_)"
_TOKENS = re.compile(
    rf"\\[{{|}}]|\\{WILDCARD}|{WILDCARD}"
    r"|(?P<open>\{)(?P<draw>~)?(?:(?P<low>\d{0,6})(?P<dash>-)?(?P<high>\d{0,6})\$\$(?:(?P<join>[^{}|$]*)\$\$)?)?"
    rf"(?:\s*(?P<first>[+-]?{_NUMBER})\s*::)?"
    rf"|(?P<bar>\|)(?:\s*(?P<other>[+-]?{_NUMBER})\s*::)?"
    r"|[}\[\]]|[^{|}\[\]\\_]+|_|\\"
)
_SPECIAL = re.compile(r"[{|}]|__")
_LINE_WEIGHT = re.compile(rf"({_NUMBER})\s*::")


class Wildcards(Protocol):
    """The files of ``__name__``."""

    def values(self, name: str) -> Values:
        """The values of a name, or of all names that match a pattern. Raises ValueError if there are none."""


class NoWildcards:
    """Every name is unknown."""

    def values(self, name: str) -> Values:
        raise ValueError(rf"__{name}__ is unknown; write \__{name}__ for these characters")


@dataclass(frozen=True, slots=True)
class _Many:
    """``2$$`` or ``1-3$$ and $$``; ``high`` None: as many as there are."""

    low: int
    high: int | None
    join: str


@dataclass(slots=True)
class _Group:
    """An open ``{``: its alternatives so far, and the texts before it."""

    at: int
    place: str
    drawn: bool
    many: _Many | None
    before: Texts
    options: list[Texts]
    weights: list[float]


def variants(text: str, wildcards: Wildcards | None = None, key: str = "") -> list[str]:
    """All distinct texts that ``text`` expands to; the leftmost group varies slowest.

    ``key`` is the seed of draws. Raises PromptError, also for more than 10,000 texts.
    """
    if not _SPECIAL.search(text):
        return [text]
    return list(dict.fromkeys(_Expansion(wildcards or NoWildcards(), Draws(key)).texts(text)))


def escaped(text: str) -> str:
    """``text`` as it must be written so that it expands to itself."""
    try:
        if variants(text) == [text]:
            return text
    except PromptError:
        pass
    return re.sub(rf"{WILDCARD}|[{{|}}]", lambda m: "\\" + m[0], text)


def weighted(lines: Iterable[str]) -> Values:
    """Lines of a wildcard file; ``2::red`` has the weight 2, others 1. Raises ValueError if every weight is 0."""
    found = [(line, _LINE_WEIGHT.match(line)) for line in lines]
    return Values.of(
        [line[m.end() :].strip() if m else line for line, m in found], [float(m[1]) if m else 1.0 for _, m in found]
    )


class _Expansion:
    """The expansion of one prompt. ``names`` of wildcards are those being expanded, outermost first."""

    def __init__(self, wildcards: Wildcards, draws: Draws) -> None:
        self._wildcards = wildcards
        self._draws = draws

    def texts(self, text: str, place: str = "", drawn: bool = False, names: tuple[str, ...] = ()) -> Texts:
        """What ``text`` expands to: one text if it is ``drawn``."""
        if not _SPECIAL.search(text):
            return [text]
        return _Reader(self, text, place, drawn, names).read()

    def wildcard(self, name: str, place: str, drawn: bool, names: tuple[str, ...]) -> tuple[Values, Option]:
        """The values of ``__name__``, and what the one with an index expands to."""
        found = self._wildcards.values(name)
        if name in names or len(names) == DEPTH:
            chain = " → ".join(f"__{n}__" for n in (*names, name))
            raise ValueError(f"wildcards refer to each other: {chain}" if name in names else f"too deep: {chain}")

        def option(i: int) -> Texts:
            line = found.texts[i]
            try:
                return self.texts(line, f"{place}/{name}/{line}", drawn, (*names, name))
            except PromptError as e:
                raise e if str(e).startswith("in __") else PromptError(f"in __{name}__, {e}") from e

        return found, option

    def choose(self, group: _Group, values: Values, option: Option) -> Texts:
        """The texts of a group with alternatives that have the weights of ``values``."""
        many, place = group.many, group.place
        if many is None:
            if group.drawn:
                return option(self._draws.index(values, place))
            return joined(map(option, values.possible))
        low, high = _bounds(many, len(values.possible))
        if group.drawn:
            count = low + int(self._draws.number(f"{place}$") * (high - low + 1))
            return [many.join.join(option(i)[0] for i in self._draws.indices(values, count, place))]
        return combined(values.possible, option, range(low, high + 1), many.join)


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, own: _Expansion, text: str, place: str, drawn: bool, names: tuple[str, ...]) -> None:
        self._own, self._text, self._place, self._drawn, self._names = own, text, place, drawn, names
        self._tokens = list(_TOKENS.finditer(text))
        self._bars = _groups(self._tokens)
        self._open: list[_Group] = []
        self._now: Texts = [""]

    def read(self) -> Texts:
        for i, token in enumerate(self._tokens):
            try:
                self._token(i, token)
            except PromptError:
                raise
            except ValueError as e:
                raise PromptError.at(self._text, self._open[-1].at if self._closes(i) else token.start(), str(e)) from e
        return self._now

    def _closes(self, i: int) -> bool:
        return bool(self._open) and self._tokens[i][0] == "}"

    def _token(self, i: int, token: re.Match[str]) -> None:
        piece, role = token[0], self._bars.get(i)
        if role == "open":
            self._begin(token)
        elif role == "bar":
            self._end_option()
            self._open[-1].weights.append(_weight(token))
        elif role == "close":
            self._close(i)
        elif _is_wildcard(piece):
            self._wildcard(i, token)
        else:
            literal = piece[1:] if piece[0] == "\\" and len(piece) > 1 else piece
            self._now = [one + literal for one in self._now]

    def _inside(self) -> bool:
        return self._open[-1].drawn if self._open else self._drawn

    def _begin(self, token: re.Match[str]) -> None:
        drawn, at = bool(token["draw"]) or self._inside(), token.start()
        self._open.append(_Group(at, f"{self._place}/{at}", drawn, _many(token), self._now, [], [_weight(token)]))
        self._now = [""]

    def _end_option(self) -> None:
        self._open[-1].options.append(self._now)
        self._now = [""]

    def _close(self, i: int) -> None:
        group = self._open[-1]
        if name := self._only_wildcard(i):
            values, option = self._own.wildcard(name, group.place, group.drawn, self._names)
        else:
            self._end_option()
            values, option = Values.of([""] * len(group.options), group.weights), group.options.__getitem__
        texts = self._own.choose(group, values, option)
        self._open.pop()
        self._now = multiplied(group.before, texts)

    def _only_wildcard(self, i: int) -> str:
        """The name of the wildcard if it is all that the group that token ``i`` closes contains: the group chooses
        among its values."""
        inner = self._tokens[i - 1][0]
        return _name(inner)[0] if self._bars.get(i - 2) == "open" and _is_wildcard(inner) else ""

    def _wildcard(self, i: int, token: re.Match[str]) -> None:
        if self._bars.get(i - 1) == "open" and self._bars.get(i + 1) == "close":
            return  # see _only_wildcard
        (name, drawn), at = _name(token[0]), token.start()
        group = _Group(at, f"{self._place}/{at}", drawn or self._inside(), None, self._now, [], [])
        values, option = self._own.wildcard(name, group.place, group.drawn, self._names)
        self._now = multiplied(self._now, self._own.choose(group, values, option))


def _is_wildcard(piece: str) -> bool:
    return piece.startswith("__")


def _name(piece: str) -> tuple[str, bool]:
    """(name, whether it is drawn) of ``__name__``."""
    name = piece[2:-2]
    return name.removeprefix("~"), name.startswith("~")


def _groups(tokens: Sequence[re.Match[str]]) -> dict[int, str]:
    """The tokens that open, divide and close groups; other braces and bars are literal."""
    roles: dict[int, str] = {}
    stack: list[tuple[int, list[int]]] = []
    braces = 0
    for i, token in enumerate(tokens):
        if token["open"] or token[0] == "[":
            stack.append((i, []))
            braces += bool(token["open"])
        elif token["bar"] and stack:
            stack[-1][1].append(i)
        elif token[0] == "]" and stack and tokens[stack[-1][0]][0] == "[":
            stack.pop()
        elif token[0] == "}" and braces:
            bars: list[int] = []
            while not tokens[stack[-1][0]]["open"]:  # a bracket that is not closed protects nothing
                bars += stack.pop()[1]
            start, own = stack.pop()
            braces -= 1
            if own or bars or tokens[start]["draw"] or tokens[start]["low"] is not None:
                roles |= {start: "open", i: "close", **dict.fromkeys([*own, *bars], "bar")}
    return roles


def _weight(token: re.Match[str]) -> float:
    """The weight that the alternative after ``{`` or ``|`` begins with."""
    written = token["first"] or token["other"] or "1"
    if float(written) < 0:
        raise ValueError(f"the weight {written} is negative")
    return float(written)


def _many(token: re.Match[str]) -> _Many | None:
    low, high = token["low"], token["high"]
    if low is None:
        return None
    if not low and not high:
        raise ValueError("a number is missing before $$, for example {2$$a|b|c}")
    join = ", " if token["join"] is None else token["join"]
    if not token["dash"]:
        return _Many(int(low), int(low), join)
    return _Many(int(low or 1), int(high) if high else None, join)


def _bounds(many: _Many, there: int) -> tuple[int, int]:
    low, high = many.low, there if many.high is None else many.high
    if max(low, high) > there:
        raise ValueError(f"asks for {max(low, high)} of {there} alternative{'s' * (there != 1)}")
    if low > high:
        raise ValueError(f"the range {low}-{high} is empty")
    return low, high
