"""How busy the device is: share of wall time in the denoiser or the VAE, rows used of rows paid, and start-up.

On CUDA ``busy`` is the share of summed kernel times in a part of the sweep: the engine's times between events hold the
gaps in which the card waits for the host.
"""

from __future__ import annotations

import subprocess
import sys
import time
from argparse import Namespace
from typing import Any

import torch

from benchmarks import kernels, work
from sdbatch import engine
from sdbatch.config.runtime import Runtime

PROFILED = 16  # pictures under the profiler, which keeps every kernel of theirs


def run(arguments: Namespace) -> dict[str, Any]:
    ours = engine.open(work.source_of(arguments.model), Runtime())
    start_up = {k: round(v, 3) for k, v in ours.stats.seconds.items() if k.startswith("start")}
    jobs = work.mixed(arguments.model, 20 if arguments.quick else arguments.mixed)
    work.to_disk(work.Jobs(jobs[:4]), ours)
    ours.stats.reset_counts()
    seconds = work.to_disk(jobs, ours)
    stats = ours.stats.finish()
    parts = {k: round(v, 3) for k, v in stats.seconds.items() if not k.startswith("start")}
    found = {
        "model": arguments.model,
        "pictures": len(jobs),
        "wall_seconds": round(seconds, 3),
        "seconds": parts,
        "workers": stats.workers,
        "rows_used_of_paid": round(stats.rows_used / stats.rows_paid, 4),
        "start_up": {"import torch and the engine": _import_seconds(), **start_up},
    }
    if torch.cuda.is_available():
        found["kernels"] = kernels.share(lambda: work.to_disk(work.Jobs(jobs[:PROFILED]), ours))
        return found | {"busy": found["kernels"]["kernel_share"]}
    return found | {"busy": round((parts.get("denoiser", 0) + parts.get("vae", 0)) / stats.workers / seconds, 4)}


def _import_seconds() -> float:
    code = "import time; t = time.perf_counter(); import sdbatch.engine.torch_engine; print(time.perf_counter() - t)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return round(min(float(done.stdout), time.perf_counter() - start), 3)
