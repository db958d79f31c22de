"""Processes on one plan: how much faster three are than one, and whether anything is rendered twice.

The fake renderer waits for a card that it pretends (``DELAY`` seconds a shot), so that the processes need few cores.
They begin in the same instant; start-up is not counted.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from argparse import Namespace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import work
from sdbatch.engine.fake import FakeRenderer
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
    return {
        "pictures": pictures,
        "delay": DELAY,
        "seconds": {n: round(s, 2) for n, s in seconds.items()},
        "times_one": {n: round(seconds[1] / s, 2) for n, s in seconds.items()},
        "rendered_twice": max(done - pictures for found in runs.values() for _, done in found),
    }


def _together(count: int, pictures: int) -> tuple[float, int]:
    """Seconds from the common beginning to the end of the last, and how many pictures were rendered."""
    context = multiprocessing.get_context("spawn")
    barrier, done = context.Barrier(count + 1), context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        wish = (Path(folder) / "x", pictures, barrier, done)
        processes = [context.Process(target=_work, args=wish) for _ in range(count)]
        for process in processes:
            process.start()
        barrier.wait()
        start = time.perf_counter()
        rendered = sum(done.get() for _ in processes)
        seconds = time.perf_counter() - start
        for process in processes:
            process.join()
    return seconds, rendered


def _work(root: Path, pictures: int, barrier: Barrier, done: Any) -> None:
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


def _plan(pictures: int) -> Plan:
    seeds = f"0..{pictures // len(work.PROMPTS) - 1}"
    return work.make_plan(model={"kind": "fake"}, canvas=["64x64"], seeds=seeds)
