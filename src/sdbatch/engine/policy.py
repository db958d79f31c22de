"""Numbers that decide how rows are packed. Pure (no torch), so that a plan can count rows without loading anything."""

from __future__ import annotations

from sdbatch.jobs import Shot
from sdbatch.prompts import chunks
from sdbatch.render import Bucket
from sdbatch.samplers import SAMPLERS, Table, table
from sdbatch.tokens import Vocabulary

ROWS = {"cpu": 4, "mps": 4, "cuda": 16}  # per call at the native area
SMALL = 100_000_000  # weights of a denoiser whose calls are so quick that starting them costs
SMALL_ROWS = 16  # of such a one on a CPU: 1.6 times the rows per second of 4 (5.5 M weights, two cores)
TAILS = (4, 8)  # sizes tried for calls that cannot be filled
VAE_BATCH = {"cpu": 1, "mps": 1, "cuda": 4}
MOST = 512


def rows_for(bucket: Bucket, native_area: int, rows: int, device: str = "cpu") -> int:
    """Rows per call of ``bucket``: on CUDA the native ``rows`` scaled to the area by a power of two, else ``rows``.

    Never a function of the plan or of free memory: the call shape decides bits.
    """
    if device != "cuda":
        return rows
    scaled: float = rows
    while bucket.area * 2 <= native_area and scaled < MOST:
        bucket, scaled = Bucket(bucket.height, bucket.width * 2, bucket.chunks), scaled * 2
    while bucket.area >= native_area * 2 and scaled > 1:
        bucket, scaled = Bucket(bucket.height, -(-bucket.width // 2), bucket.chunks), scaled / 2
    return max(1, int(scaled))


def usual_rows(device: str, weights: int) -> int:
    """Rows per call at the native area unless the user says otherwise."""
    return SMALL_ROWS if device == "cpu" and weights < SMALL else ROWS[device]


def vae_rows_for(area: int, native_area: int, batch: int) -> int:
    """Pictures per VAE call for a latent of ``area``: smaller for canvases far over the native one."""
    while batch > 1 and area >= native_area * 2:
        batch, area = batch // 2, -(-area // 2)
    return batch


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
