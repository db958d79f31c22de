"""Attention and chunks of tokens, as in A1111. Pure, no torch.

Attention as documented by AUTOMATIC1111: ``(word)`` ×1.1, ``((word))`` ×1.21, ``[word]`` ÷1.1, ``(word:1.3)`` ×1.3,
``\\( \\) \\[ \\]`` are literal, ``BREAK`` starts a new chunk. An unclosed bracket extends to the end; an unmatched
closing bracket is literal. Nothing is truncated: a text longer than a chunk becomes several chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sdbatch.prompts.vocabulary import Vocabulary

MAX_WEIGHT = 100.0  # larger weights only damage the picture (and thousands of brackets would overflow)
_MARKS = re.compile(r"\\[()\[\]\\]|\\|[()\[\]]|:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)|[^\\()\[\]:]+|:")
_UNSUPPORTED = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>")  # LoRAs: in negative prompts
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


def attention(text: str) -> list[tuple[str, float]]:
    """(text, weight) runs with weights in [-100, 100]; ``("BREAK", -1)`` is a chunk break.

    Adjacent runs of equal weight are joined.
    """
    runs: list[str] = []
    spans: list[tuple[int, int, float]] = []  # runs[a:b] are multiplied by a factor
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for found in _MARKS.finditer(text):
        piece, weight = found[0], found[1]
        if piece in opened:
            opened[piece].append(len(runs))
        elif weight is not None and opened["("]:
            spans.append((opened["("].pop(), len(runs), float(weight)))
        elif piece == ")" and opened["("]:
            spans.append((opened["("].pop(), len(runs), 1.1))
        elif piece == "]" and opened["["]:
            spans.append((opened["["].pop(), len(runs), 1 / 1.1))
        else:
            runs.append(piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece)
    spans += [(a, len(runs), 1.1) for a in opened["("]] + [(a, len(runs), 1 / 1.1) for a in opened["["]]
    return _joined(runs, spans)


def _joined(runs: list[str], spans: list[tuple[int, int, float]]) -> list[tuple[str, float]]:
    weights = np.ones(len(runs))
    with np.errstate(over="ignore"):
        for a, b, factor in spans:
            weights[a:b] *= factor
    weights = np.clip(weights, -MAX_WEIGHT, MAX_WEIGHT)
    out: list[tuple[list[str], float]] = []
    for run, weight in zip(runs, weights.tolist(), strict=True):
        for i, part in enumerate(_BREAK.split(run)):
            if i:
                out.append((["BREAK"], -1.0))
            if not part:
                continue
            if out and out[-1][1] == weight and out[-1][0] != ["BREAK"]:
                out[-1][0].append(part)
            else:
                out.append(([part], weight))
    return [("".join(parts), weight) for parts, weight in out]


def unsupported(text: str) -> list[str]:
    """Networks that are named in ``text`` and treated as plain text there."""
    return _UNSUPPORTED.findall(text)


class Insert(NamedTuple):
    """A textual inversion: where a text says ``name``, the tokens ``first`` to ``first + vectors - 1`` stand."""

    name: str
    vectors: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class Chunks:
    """The input of the text encoder.

    ``ids`` and ``weights`` have one tuple of length chunk + 2 per chunk: start, tokens, end, then end as padding.
    ``tokens`` is the number of tokens of the text. ``cuts`` has the words around each position where the length (not
    BREAK) started a new chunk.
    """

    ids: tuple[tuple[int, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    tokens: int
    cuts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


@lru_cache(maxsize=4096)
def condition(text: str, vocabulary: Vocabulary, chunk: int, inserts: tuple[Insert, ...] = ()) -> Chunks:
    """``text`` as chunks of at most ``chunk`` weighted tokens. An empty text is one empty chunk. Results are cached.

    The tokens of one of ``inserts`` are in one chunk.
    """
    parts: list[list[tuple[int, float]]] = [[]]
    cuts: list[str] = []
    count = 0
    for run, weight in attention(text):
        if (run, weight) == ("BREAK", -1.0):
            parts.append([])
            continue
        for tokens in _units(run, vocabulary, inserts):
            if len(parts[-1]) + len(tokens) > chunk:
                parts.append([])
                cuts.append("")
            parts[-1] += [(token, weight) for token in tokens]
            count += len(tokens)
            if cuts and not cuts[-1] and len(parts[-1]) >= min(6, chunk):
                cuts[-1] = _cut(parts, vocabulary)
    if cuts and not cuts[-1]:
        cuts[-1] = _cut(parts, vocabulary)
    return _padded(parts, vocabulary, chunk, count, tuple(cuts))


def _units(run: str, vocabulary: Vocabulary, inserts: tuple[Insert, ...]) -> Iterator[tuple[int, ...]]:
    """The tokens of ``run``, one by one, and those of each insert together."""
    at = 0
    for start, end, insert in named(run, inserts):
        yield from ((token,) for token in vocabulary.encode(run[at:start]))
        yield tuple(range(insert.first, insert.first + insert.vectors))
        at = end
    yield from ((token,) for token in vocabulary.encode(run[at:]))


def named(text: str, inserts: tuple[Insert, ...]) -> Iterator[tuple[int, int, Insert]]:
    """(start, end, insert) where ``text`` has the name of one of ``inserts`` as a word; of several the longest name."""
    if not inserts:
        return
    pattern, known = _names(inserts)
    for found in pattern.finditer(text):
        yield found.start(), found.end(), known[found[0].casefold()]


@lru_cache(maxsize=64)
def _names(inserts: tuple[Insert, ...]) -> tuple[re.Pattern[str], dict[str, Insert]]:
    """What finds the names of ``inserts``, and these by name in lower case."""
    known = {insert.name.casefold(): insert for insert in inserts}
    longest = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    return re.compile(rf"(?<!\w)(?:{longest})(?!\w)", re.IGNORECASE), known


def _cut(parts: list[list[tuple[int, float]]], vocabulary: Vocabulary) -> str:
    before, after = ([token for token, _ in part if token < vocabulary.size] for part in parts[-2:])
    return f"…{vocabulary.decode(before[-6:])} | {vocabulary.decode(after[:6])}…"


def _padded(
    parts: list[list[tuple[int, float]]], vocabulary: Vocabulary, chunk: int, count: int, cuts: tuple[str, ...]
) -> Chunks:
    ids, weights = [], []
    for part in parts:
        rest = chunk + 1 - len(part)
        ids.append((vocabulary.start, *(i for i, _ in part), *[vocabulary.end] * rest))
        weights.append((1.0, *(w for _, w in part), *[1.0] * rest))
    return Chunks(tuple(ids), tuple(weights), count, cuts)


def chunks(text: str, vocabulary: Vocabulary, chunk: int, inserts: tuple[Insert, ...] = ()) -> int:
    """The number of chunks of ``text``, at least 1."""
    return len(condition(text, vocabulary, chunk, inserts))


def cuts(text: str, vocabulary: Vocabulary, chunk: int, inserts: tuple[Insert, ...] = ()) -> tuple[str, ...]:
    """Where the length of ``text`` started a new chunk, as ``…words before | words after…``."""
    return condition(text, vocabulary, chunk, inserts).cuts
