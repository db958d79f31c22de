"""Single calls of the denoiser and the VAE: time by rows, and bits at the shapes that are rendered."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.gpu.basics import answer
from benchmarks.gpu.raw import Raw
from benchmarks.gpu.setting import Bench
from benchmarks.gpu.timing import timed
from sdbatch.engine.selftest import probe, same_bits

SMALLER = (2, 4, 8, 12)


def by_rows(bench: Bench) -> dict[str, Any]:
    """The denoiser's call by its number of rows at the native square, eager."""
    raw, side = Raw(bench.engine()), bench.setting.side
    found: dict[str, Any] = {
        f"{n} rows": answer(lambda n=n: timed(raw.call(side, side, n), bench.setting.repeats))
        for n in bench.setting.rows
    }
    if not bench.rehearsed:
        found["peak_gb"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return found


def bits(bench: Bench) -> dict[str, Any]:
    """Whether bits depend on slot or neighbours at real shapes, and which smaller calls would give the same."""
    ours = bench.engine()
    raw = Raw(ours)
    shapes = {f"{h}x{w}": answer(lambda h=h, w=w: shape(raw, h, w)) for h, w in bench.setting.buckets}
    return {"shapes": shapes, "vae": decoded(raw, bench.setting.side, ours.profile.vae_batch)}


def shape(raw: Raw, height: int, width: int) -> dict[str, Any]:
    """The self-test's verdict in one bucket, at the rows that the engine takes there."""
    rows, row = raw.rows(height, width), raw.row(height, width)
    smaller = tuple(n for n in SMALLER if n < rows)
    with torch.inference_mode():
        return {
            "rows": rows,
            "verdict": probe(raw.denoise, row, rows),
            "same_bits_in_calls_of": same_bits(raw.denoise, row, rows, smaller),
        }


def decoded(raw: Raw, side: int, batch: int) -> dict[str, Any]:
    """The VAE: one latent alone (padded), last in a full call, and in a call of one."""
    first, *others = raw.latents(side, side, max(2, batch))
    alone = raw.decode([first], batch)[0].take()[0].copy()
    last = raw.decode([*others[: batch - 1], first], batch)[-1].take()[0].copy()
    single = raw.decode([first], 1)[0].take()[0]
    return {
        "batch": batch,
        "slot_and_neighbours_change_bytes": int((alone != last).sum()),
        "batch_1_changes_bytes": int((alone != single).sum()),
    }


def vae(bench: Bench) -> dict[str, Any]:
    """The VAE's call by its batch, and one picture decoded again in float32."""
    ours = bench.engine()
    raw, repeats = Raw(ours), min(5, bench.setting.repeats)
    batches = (1, 2) if bench.rehearsed else (1, 4, 8, 16)
    latents = raw.latents(bench.setting.side, bench.setting.side, max(batches))
    found: dict[str, Any] = {
        f"batch {n}": answer(lambda n=n: timed(lambda: raw.decode(latents[:n], n), repeats)) for n in batches
    }
    batch = ours.profile.vae_batch
    found["again_in_float32"] = answer(
        lambda: timed(lambda: raw.decode(latents[:1], batch, full=True), min(3, repeats))
    )
    return found
