"""What a shot asks of the model: its table, evaluations, rows and texts. Pure, so that a plan can count them."""

from __future__ import annotations

from sdbatch.prompts.syntax import chunks
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.samplers import SAMPLERS, Table, table
from sdbatch.spec.jobs import Shot


def first_step(steps: int, strength: float) -> int:
    """The step at which a picture re-noised by ``strength`` starts; at least one step is left."""
    return steps - max(1, min(steps, int(steps * strength + 1e-9)))


def table_of(shot: Shot) -> Table:
    """The sampler's table for ``shot``. Raises ValueError for a schedule that does not exist."""
    start = first_step(shot.steps, shot.start.strength) if shot.start else 0
    return table(SAMPLERS[shot.sampler], shot.model.schedule, shot.steps, start)


def guided(shot: Shot, evaluation: int, evaluations: int) -> bool:
    """Whether an evaluation pays for guidance: its middle lies in the shot's interval and guidance is not 1."""
    low, high = shot.guidance_interval
    return shot.guidance != 1.0 and low <= (evaluation + 0.5) / evaluations <= high


def evaluations(shot: Shot) -> int:
    """Denoiser calls that ``shot`` goes through, one after the other."""
    return table_of(shot).evaluations


def rows(shot: Shot) -> int:
    """Denoiser rows that ``shot`` pays for, all evaluations together."""
    count = table_of(shot).evaluations
    if shot.guidance == 1.0 or shot.guidance_interval == (0.0, 1.0):  # plans count a hundred thousand
        return count if shot.guidance == 1.0 else 2 * count
    return sum(2 if guided(shot, e, count) else 1 for e in range(count))


def texts(shot: Shot) -> list[str]:
    """The distinct texts that ``shot`` needs: the negative only where guidance looks at it."""
    both = [(shot.prompt, shot.negative)]
    if shot.toward is not None:
        both.append((shot.toward.prompt, shot.toward.negative))
    return list(dict.fromkeys(t for pair in both for t in (pair if shot.guidance != 1.0 else pair[:1])))


def chunks_of(shot: Shot, vocabulary: Vocabulary, chunk: int) -> int:
    """Text chunks of the shot's bucket: those of its longest text (the others are padded with empty ones)."""
    return max(chunks(text, vocabulary, chunk) for text in texts(shot))
