"""Helpers that several modes share: prompts and seeds between keyframes, seeds of a chain, guidance. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TypeVar

from sdbatch.motion.settings import Motion
from sdbatch.spec.inputs import at
from sdbatch.spec.jobs import Frame, Layer, PromptBlend, Shot
from sdbatch.spec.ranges import SEED_RANGE

T = TypeVar("T")


def joined(*texts: str) -> str:
    """Prompts joined with commas; empty ones are left out."""
    return ", ".join(filter(None, texts))


def next_seed(seed: int, step: int) -> int:
    """The seed of shot ``step`` of a chain; step 0 has ``seed`` itself. Repeated noise in a chain leaves artefacts."""
    if step == 0:
        return seed
    digest = blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) & SEED_RANGE[1]


def blended(base: Shot, texts: tuple[str, str, float], seeds: tuple[int, int, float]) -> Shot:
    """``base`` with an interpolated prompt suffix and seed, each given as (from, to, share in [0, 1])."""
    (text, next_text, share), (seed, other_seed, seed_share) = _simplified(texts), _simplified(seeds)
    shot = replace(base, prompt=joined(base.prompt, text), seed=seed)
    if share == seed_share == 0:
        return shot
    seed_amount = None if seed_share == share else seed_share
    toward = PromptBlend(joined(base.prompt, next_text), base.negative, other_seed, share, seed_amount)
    return replace(shot, toward=toward)


def _simplified(blend: tuple[T, T, float]) -> tuple[T, T, float]:
    """A blend at one of its ends, or between equal values, as that value alone: equal shots get equal ids."""
    start, end, share = blend
    if start == end or share == 0:
        return start, start, 0.0
    return (end, end, 0.0) if share == 1 else blend


def with_frames(shots: Iterable[Shot], motion: Motion) -> list[Shot]:
    """``shots`` (one per frame), each with the frames of users' videos at its time."""
    rate = float(motion.fps)
    return [at(shot, n / rate) for n, shot in enumerate(shots)]


def with_guidance(shots: Sequence[Shot], motion: Motion) -> list[Shot]:
    """``shots`` (one per frame), each with the value of the guidance schedule at its frame."""
    if motion.guidance is None:
        return list(shots)
    return [replace(s, guidance=round(g, 6)) for s, g in zip(shots, motion.curve("guidance"), strict=True)]


def single_layer_frames(shots: Sequence[Shot]) -> Iterator[Frame]:
    """One frame per shot, which shows the whole shot; layers index into ``distinct(shots)``."""
    index = distinct(shots)
    for shot in shots:
        yield (Layer(index[shot]),)


def distinct(shots: Iterable[Shot]) -> dict[Shot, int]:
    """The distinct shots in order of appearance, with their positions."""
    return {shot: i for i, shot in enumerate(dict.fromkeys(shots))}
