"""How far pictures in bfloat16 are from those in float32: PSNR in dB, over both sweeps of ``throughput``."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import work
from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.runner import Options
from sdbatch.runner import run as run_plan
from sdbatch.store import Store
from sdbatch.tasks.rerender import SharedRenderer

SAME = 99.0  # dB of equal pictures


def run(arguments: Namespace) -> dict[str, Any]:
    count = 6 if arguments.quick else 42
    sweeps: dict[str, Any] = {
        "uniform": work.uniform(arguments.model, count, 20),
        "mixed": work.mixed(arguments.model, count),
    }
    pictures = {dtype: _pictures(arguments.model, list(sweeps.values()), dtype) for dtype in ("float32", "bfloat16")}
    found = {}
    for name, jobs in sweeps.items():
        values = sorted(psnr(*(pictures[dtype][i] for dtype in pictures)) for i in jobs.ids)
        found[name] = {"pictures": len(values), "psnr": spread(values)}
    return {"model": arguments.model, **found}


def _pictures(model: str, sweeps: list[Any], dtype: Any) -> dict[str, Any]:
    """The pictures of all jobs by id, as they are on disk."""
    renderer = engine.open(work.source_of(model), Runtime(dtype=dtype))
    found = {}
    for jobs in sweeps:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder), durable=False)
            run_plan(jobs, store, lambda: SharedRenderer(renderer), Options())
            for record in store.ledger().records():
                with Image.open(store.file(record)) as image:
                    found[record.id] = np.asarray(image, float)
    renderer.close()
    return found


def psnr(a: Any, b: Any) -> float:
    error = float(np.mean((a - b) ** 2))
    return SAME if error == 0 else min(SAME, 10 * float(np.log10(255**2 / error)))


def spread(values: list[float]) -> dict[str, float]:
    return {k: round(v, 1) for k, v in (("lowest", values[0]), ("median", median(values)), ("highest", values[-1]))}
