"""The cost of a shot: its sampler table, evaluations, rows and texts. Pure, so that a plan can sum them."""

from __future__ import annotations

from itertools import accumulate

from sdbatch.prompts.schedule import by_step
from sdbatch.prompts.syntax import Insert, chunks
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.samplers import SAMPLERS, Table, table
from sdbatch.spec.adapters import Embedding
from sdbatch.spec.canvas import Size
from sdbatch.spec.control import Control
from sdbatch.spec.jobs import Shot
from sdbatch.spec.passes import evaluated
from sdbatch.spec.wording import part_count, texts_of

CONTROL = 0.4  # of a row's cost: of each ControlNet beside it


def first_step(steps: int, strength: float) -> int:
    """The first step, 0 to steps - 1, of image to image with ``strength``; at least one step remains."""
    return steps - evaluated(steps, strength)


def strength(shot: Shot) -> float | None:
    """How much of the picture that ``shot`` starts from is repainted, in [0, 1]; None if it starts from noise."""
    origin = shot.start or shot.init
    return None if origin is None else origin.strength


def unchanged(shot: Shot) -> bool:
    """Whether ``shot`` is the picture that it starts from, and needs no model."""
    return strength(shot) == 0


def rendered(shot: Shot) -> Size:
    """The size at which ``shot`` is denoised: its own, or that of the only area of it that is painted."""
    area = shot.init.mask.area if shot.init and shot.init.mask else None
    return Size(area.width, area.height) if area else Size(shot.width, shot.height)


def table_of(shot: Shot) -> Table:
    """The sampler's table for ``shot``. Raises ValueError if the sampler does not support the steps."""
    found = strength(shot)
    start = 0 if found is None else first_step(shot.steps, found)
    return table(SAMPLERS[shot.sampler], shot.model.schedule, shot.steps, start)


def guided(shot: Shot, evaluation: int, evaluations: int) -> bool:
    """Whether evaluation ``evaluation`` of ``evaluations`` uses guidance and so needs two rows.

    It does if guidance is not 1 and the evaluation's midpoint lies in the shot's guidance interval (Kynkäänniemi et
    al., arXiv:2404.07724).
    """
    low, high = shot.guidance_interval
    return shot.guidance != 1.0 and low <= (evaluation + 0.5) / evaluations <= high


def controlled(control: Control, evaluation: int, evaluations: int) -> bool:
    """Whether evaluation ``evaluation`` of ``evaluations`` lies in the interval of ``control`` (as in diffusers)."""
    return evaluation / evaluations >= control.start and (evaluation + 1) / evaluations <= control.end


def evaluations(shot: Shot) -> int:
    """The number of consecutive denoiser evaluations of ``shot``."""
    return 0 if unchanged(shot) else table_of(shot).evaluations


def rows(shot: Shot) -> int:
    """The number of denoiser rows of ``shot``, over all evaluations."""
    count, parts = evaluations(shot), part_count(shot)
    if parts > 1:  # a sum of differences from the unconditional prediction, which every evaluation needs
        return (parts + 1) * count
    if shot.guidance == 1.0 or shot.guidance_interval == (0.0, 1.0):  # fast path: plans have many shots
        return count if shot.guidance == 1.0 else 2 * count
    return sum(2 if guided(shot, e, count) else 1 for e in range(count))


def cost(shot: Shot) -> float:
    """The predicted cost of a shot: denoiser rows x megapixels. Comparable between shots of one model. A network that
    enlarges the picture counts as one row."""
    enlarged = shot.start is not None and shot.start.upscaler is not None and shot.start.upscaler.is_network
    size = rendered(shot)
    return (rows(shot) * (1 + CONTROL * len(shot.controls)) + enlarged) * size.width * size.height / 1e6


def texts(shot: Shot) -> list[str]:
    """The distinct texts that ``shot`` encodes. Negative prompts are needed only for guidance and for several parts."""
    both = [(shot.prompt, shot.negative)]
    if shot.toward is not None:
        both.append((shot.toward.prompt, shot.toward.negative))
    prompts, negatives = ([pair[i] for pair in both] for i in (0, 1))
    if shot.guidance == 1.0 and part_count(shot) == 1:
        negatives = []
    if not shot.step_syntax:
        return list(dict.fromkeys([*prompts, *negatives]))
    steps = table_of(shot).steps
    shown = (now for text in prompts for now in texts_of(text, steps))
    return list(dict.fromkeys([*shown, *(now for text in negatives for now in by_step(text, steps))]))


def chunks_of(shot: Shot, vocabulary: Vocabulary, chunk: int) -> int:
    """The number of text chunks in the shot's bucket: those of its longest text; shorter texts are padded."""
    inserts = inserts_of(shot.embeddings, vocabulary.size)
    return max(chunks(text, vocabulary, chunk, inserts) for text in texts(shot))


def inserts_of(embeddings: tuple[Embedding, ...], first: int) -> tuple[Insert, ...]:
    """The textual inversions as tokens, from ``first`` on."""
    starts = accumulate((e.vectors for e in embeddings), initial=first)
    return tuple(Insert(e.name, e.vectors, start) for e, start in zip(embeddings, starts, strict=False))
