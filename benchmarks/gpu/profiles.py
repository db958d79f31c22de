"""Where the card's time goes: kernels of single calls, and how busy it is in a whole run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import kernels as recorded
from benchmarks import work
from benchmarks.gpu.pictures import sweep
from benchmarks.gpu.raw import Raw
from benchmarks.gpu.setting import Bench
from benchmarks.gpu.timing import timed


def kernels(bench: Bench) -> dict[str, Any]:
    """Summed kernel times of a denoiser and a VAE call, and their share of a run's seconds."""
    ours, side = bench.engine(), bench.setting.side
    raw, rows, batch = Raw(ours), ours.profile.rows, ours.profile.vae_batch
    latents = raw.latents(side, side, batch)
    few = work.Jobs(list(sweep(bench))[:16])
    return {
        f"denoiser, {rows} rows": _one(raw.call(side, side, rows), bench.setting.repeats),
        f"vae, batch {batch}": _one(lambda: raw.decode(latents, batch), bench.setting.repeats),
        "run": {"pictures": len(few), **recorded.share(lambda: work.to_disk(few, ours))},
    }


def _one(call: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """A share below 1: the card waits for the host, and faster kernels would win nothing."""
    times = timed(call, repeats)
    found = recorded.record(call)
    total = recorded.milliseconds(found)
    return {
        **times,
        "kernel_ms": round(total, 3),
        "kernel_share": round(total / max(times["stream"], 1e-3), 3),
        "launches": len(found),
        "longest": recorded.longest(found),
    }
