"""runtime.compile: what it costs to start, what it wins, and whether bits hold."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from benchmarks.gpu.calls import shape
from benchmarks.gpu.pictures import sweep, to_disk
from benchmarks.gpu.raw import Raw
from benchmarks.gpu.setting import Bench
from benchmarks.gpu.timing import timed


def compiled(bench: Bench) -> dict[str, Any]:
    """runtime.compile=true: opening, the call, pictures on disk per second, and what one more bucket costs."""
    if bench.rehearsed:  # compiling for a CPU takes minutes and gives no information about a GPU
        return _measured(bench, bench.engine())
    return _measured(bench, bench.engine(compile=True))


def _measured(bench: Bench, ours: Any) -> dict[str, Any]:
    raw, side, size = Raw(ours), bench.setting.side, ours.profile.rows
    height, width = bench.setting.buckets[1]
    found = {
        "compile": ours.profile.compile,
        "rows": size,
        "call": timed(raw.call(side, side, size), bench.setting.repeats),
        "bits": shape(raw, side, side),
        **to_disk(bench, ours, sweep(bench)),
    }
    began = perf_counter()
    timed(raw.call(height, width, raw.rows(height, width)), 1)
    return found | {
        "another_bucket_seconds": round(perf_counter() - began, 1),
        "another_bucket_bits": shape(raw, height, width),
    }
