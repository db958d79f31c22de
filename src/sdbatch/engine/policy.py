"""The sizes of calls: rows per denoiser call, pictures per VAE call. Pure."""

from __future__ import annotations

from sdbatch.spec.renderer import Bucket

ROWS = {"cpu": 4, "mps": 4, "cuda": 16}  # per call at the native area
LARGE_MEMORY = 40 * 2**30  # bytes of a GPU that gets LARGE_ROWS: a 24 GB card has no room for them and a VAE call
LARGE_ROWS = 32  # estimated 4-6 % faster than 16 at 512x512, not measured
CHAIN_ROWS = {"cuda": 2}  # of calls for shots that start from another's picture: one shot with guidance fills them
SMALL = 100_000_000  # parameters; below it, the overhead of a call is significant
SMALL_ROWS = 16  # for small denoisers on a CPU: 1.6 times the rows per second of 4 (5.5 M parameters, two cores)
TAILS = (4, 9, 12)  # sizes tried for calls that cannot be filled
VAE_BATCH = {"cpu": 1, "mps": 1, "cuda": 4}
MAX_ROWS = 512


def rows_for(bucket: Bucket, native_area: int, rows: int, device: str = "cpu") -> int:
    """Rows per call of ``bucket``: on CUDA the native ``rows`` scaled to the area by a power of two, else ``rows``.

    A function of the shot's shape and the profile, never of the plan or of free memory: the call shape decides bits.
    """
    if device != "cuda":
        return rows
    scaled: float = rows
    while bucket.area * 2 <= native_area and scaled < MAX_ROWS:
        bucket, scaled = bucket._replace(width=bucket.width * 2), scaled * 2
    while bucket.area >= native_area * 2 and scaled > 1:
        bucket, scaled = bucket._replace(width=-(-bucket.width // 2)), scaled / 2
    return max(1, int(scaled))


def usual_rows(device: str, weights: int, memory: int = 0) -> int:
    """The default number of rows per call at the native area. ``memory``: total memory of the GPU, in bytes."""
    if device == "cuda" and memory >= LARGE_MEMORY:
        return LARGE_ROWS
    return SMALL_ROWS if device == "cpu" and weights < SMALL else ROWS[device]


def vae_rows_for(area: int, native_area: int, batch: int) -> int:
    """Pictures per VAE call for a latent of ``area``: fewer for areas of twice the native one or more."""
    while batch > 1 and area >= native_area * 2:
        batch, area = batch // 2, -(-area // 2)
    return batch
