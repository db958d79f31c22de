"""What the modes share: a shot's words on the way between keyframes, and seeds that do not repeat. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TypeVar

from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Layer, PromptBlend, Shot
from sdbatch.spec.ranges import SEED_RANGE

T = TypeVar("T")


def joined(*texts: str) -> str:
    """Prompts one after the other; empty ones are left out."""
    return ", ".join(filter(None, texts))


def next_seed(seed: int, step: int) -> int:
    """The seed of a chain's ``step``-th shot: a noise used twice burns itself in (step 0: ``seed`` itself)."""
    if step == 0:
        return seed
    digest = blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) & SEED_RANGE[1]


def between(base: Shot, words: tuple[str, str, float], seeds: tuple[int, int, float]) -> Shot:
    """``base`` with its words and its noise each a share of the way from one to another."""
    (here, there, share), (seed, other, turn) = _settled(words), _settled(seeds)
    shot = replace(base, prompt=joined(base.prompt, here), seed=seed)
    if share == turn == 0:
        return shot
    toward = PromptBlend(joined(base.prompt, there), base.negative, other, share, None if turn == share else turn)
    return replace(shot, toward=toward)


def _settled(way: tuple[T, T, float]) -> tuple[T, T, float]:
    """At an end, or between equals, there is no way to go."""
    here, there, share = way
    if here == there or share == 0:
        return here, here, 0.0
    return (there, there, 0.0) if share == 1 else way


def guided(shots: Sequence[Shot], motion: Motion) -> list[Shot]:
    """A shot per frame, each with the guidance of its frame."""
    if motion.guidance is None:
        return list(shots)
    return [replace(s, guidance=round(g, 6)) for s, g in zip(shots, motion.curve("guidance"), strict=True)]


def whole(every: Sequence[Shot]) -> Iterator[Frame]:
    """Frames of a shot per frame, seen whole; equal shots are one."""
    index = distinct(every)
    for shot in every:
        yield (Layer(index[shot]),)


def distinct(shots: Iterable[Shot]) -> dict[Shot, int]:
    """The shots without repetition, and where each is."""
    return {shot: i for i, shot in enumerate(dict.fromkeys(shots))}
