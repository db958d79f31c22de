"""Processes on one plan: how much faster three are than one, and whether anything is rendered twice.

The fake renderer waits for a card that it pretends (``DELAY`` seconds a shot), so that the processes need few cores.
``pinned``: one and two processes of the embedded model, each pinned to a core of its own, as workers of a cluster are.
They begin in the same instant; start-up is not counted.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import work
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.engine.fake import FakeRenderer
from sdbatch.engine.renderers import open_renderer
from sdbatch.plan.plan import Plan
from sdbatch.runner import Options
from sdbatch.runner import run as run_plan
from sdbatch.store import Store

DELAY = 0.25
COUNTS = (1, 2, 3)


def run(arguments: Namespace) -> dict[str, Any]:
    pictures = 24 if arguments.quick else 240
    runs = {n: [_together(n, pictures) for _ in range(arguments.runs)] for n in COUNTS}
    seconds = {n: median(took for took, _ in found) for n, found in runs.items()}
    pinned = {n: median(_together(n, pictures, _pinned)[0] for _ in range(arguments.runs)) for n in (1, 2)}
    return {
        "pictures": pictures,
        "delay": DELAY,
        "seconds": {n: round(s, 2) for n, s in seconds.items()},
        "times_one": {n: round(seconds[1] / s, 2) for n, s in seconds.items()},
        "pinned": {
            "seconds": {n: round(s, 2) for n, s in pinned.items()},
            "times_one": round(pinned[1] / pinned[2], 2),
        },
        "rendered_twice": max(done - pictures for found in runs.values() for _, done in found),
    }


def _together(count: int, pictures: int, work: Callable[..., None] | None = None) -> tuple[float, int]:
    """Seconds from the common beginning to the end of the last, and how many pictures were rendered."""
    context = multiprocessing.get_context("spawn")
    barrier, done = context.Barrier(count + 1), context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        wish = (Path(folder) / "x", pictures, barrier, done)
        processes = [context.Process(target=work or _work, args=(*wish, n)) for n in range(count)]
        for process in processes:
            process.start()
        barrier.wait()
        start = time.perf_counter()
        rendered = sum(done.get() for _ in processes)
        seconds = time.perf_counter() - start
        for process in processes:
            process.join()
    return seconds, rendered


def _work(root: Path, pictures: int, barrier: Barrier, done: Any, number: int) -> None:
    plan, count = _plan(pictures), 0

    class Counting(FakeRenderer):
        def render(self, feed: Any) -> Any:
            nonlocal count
            for result in super().render(feed):
                count += 1
                yield result

    barrier.wait()
    run_plan(plan, Store(root), lambda: Counting(DELAY), Options())
    done.put(count)


def _pinned(root: Path, pictures: int, barrier: Barrier, done: Any, number: int) -> None:
    """A worker of the embedded model on one core."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})
    seeds = f"0..{pictures // len(work.PROMPTS) - 1}"
    plan = work.make_plan(model={"kind": "tiny"}, canvas=["64x64", "96x64"], sampling={"steps": 12}, seeds=seeds)
    source, runtime = work.source_of("tiny"), Runtime(device="cpu", workers=1, threads=1)
    renderer = open_renderer(source, ModelSettings(), runtime)
    barrier.wait()
    done.put(run_plan(plan, Store(root), lambda: renderer, Options()).done)


def _plan(pictures: int) -> Plan:
    seeds = f"0..{pictures // len(work.PROMPTS) - 1}"
    return work.make_plan(model={"kind": "fake"}, canvas=["64x64"], seeds=seeds)
