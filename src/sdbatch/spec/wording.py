"""Which texts a shot shows the denoiser at every step: pure, so that a plan can count rows and chunks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

from sdbatch.prompts.schedule import by_step, changes, composed, parts
from sdbatch.spec.jobs import Shot


class Blend(NamedTuple):
    """A text, and by ``amount`` in [0, 1] another one."""

    text: str
    other: str
    amount: float


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a prompt with ``AND``: its weight, and its text at every step."""

    weight: float
    steps: tuple[Blend, ...]


def has_step_syntax(prompt: str, negative: str) -> bool:
    """Whether texts contain what ``Shot.step_syntax`` turns on. A negative prompt has no ``AND``, as in A1111."""
    return composed(prompt) or changes(prompt) or changes(negative)


def prompt(shot: Shot, steps: int) -> tuple[Part, ...]:
    """The parts of the prompt, each with ``steps`` texts. A part that only one of two blended prompts has fades."""
    own, toward = _parts(shot, shot.prompt), shot.toward
    if toward is None or toward.prompt == shot.prompt:
        return tuple(Part(w, _blends(shot, text, text, 0.0, steps)) for w, text in own)
    pairs = zip_longest(own, _parts(shot, toward.prompt))
    return tuple(_pair(shot, a, b, toward.amount, steps) for a, b in pairs)


def _pair(shot: Shot, a: tuple[float, str] | None, b: tuple[float, str] | None, amount: float, steps: int) -> Part:
    (w, text), (other_w, other) = a or (0.0, b[1] if b else ""), b or (0.0, a[1] if a else "")
    weight = w if w == other_w else w + (other_w - w) * amount
    return Part(weight, _blends(shot, text, other, amount, steps))


def negative(shot: Shot, steps: int) -> tuple[Blend, ...]:
    """The negative prompt at every step."""
    toward = shot.toward
    other, amount = (toward.negative, toward.amount) if toward else (shot.negative, 0.0)
    return _blends(shot, shot.negative, other, amount, steps)


def part_count(shot: Shot) -> int:
    """The number of parts of the prompt: the rows of an evaluation without the unconditional one."""
    if not shot.step_syntax:
        return 1
    return max(len(_parts(shot, text)) for text in (shot.prompt, shot.toward.prompt if shot.toward else ""))


def _parts(shot: Shot, text: str) -> tuple[tuple[float, str], ...]:
    return parts(text) if shot.step_syntax else ((1.0, text),)


def _blends(shot: Shot, text: str, other: str, amount: float, steps: int) -> tuple[Blend, ...]:
    if not shot.step_syntax:
        return (Blend(text, other, amount),) * steps
    pairs = zip(by_step(text, steps), by_step(other, steps), strict=True)
    return tuple(Blend(a, b, amount) for a, b in pairs)


@lru_cache(maxsize=4096)
def texts_of(text: str, steps: int) -> tuple[str, ...]:
    """The distinct texts that a prompt with step syntax shows in ``steps`` steps."""
    return tuple(dict.fromkeys(now for _, part in parts(text) for now in by_step(part, steps)))
