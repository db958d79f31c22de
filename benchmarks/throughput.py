"""Pictures on disk per second: sdbatch, (a) the plain loop, (b) diffusers at its best, (c) that and torch.compile.

On a CPU with native bfloat16 the uniform sweep also has sdbatch and (b) in bfloat16.
diffusers runs in a process of its own with torch's own settings; the two take turns.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmarks import work
from benchmarks.rival import Rival, jobs_of
from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine.cpu import native_bfloat16
from sdbatch.engine.device import cpuinfo

BATCHES = {"cpu": (4, 16), "cuda": (8, 16, 32)}
HALF, BEST = "sdbatch, bfloat16", "b: channels_last, batched"
ALONE = 16  # pictures of the plain loop on CUDA: seconds each, with little variance
Sweep = tuple[str, int, int]  # name, jobs, steps


@dataclass(slots=True)
class Entrants:
    """Our engine, diffusers, and our engine in bfloat16 if that is compared, too."""

    ours: Any
    rival: Rival
    half: Any = None


def run(arguments: Namespace) -> dict[str, Any]:
    cuda = torch.cuda.is_available()
    count, steps = (12, 10) if arguments.quick else (48, 20) if not cuda else (96, 30)
    uniform: Sweep = ("uniform", count, steps)
    mixed: Sweep = ("mixed", 20 if arguments.quick else arguments.mixed, 0)
    source = work.source_of(arguments.model)
    with Rival(arguments.model) as rival, ExitStack() as opened:
        ours = opened.enter_context(closing(engine.open(source, Runtime(compile=cuda))))
        entrants = Entrants(ours, rival)
        out: dict[str, Any] = {"model": arguments.model, "profile": ours.profile.asdict(), "torch": rival.settings}
        if arguments.sweep != "mixed":
            if not cuda and native_bfloat16(cpuinfo()):
                entrants.half = opened.enter_context(closing(engine.open(source, Runtime(dtype="bfloat16"))))
            out["uniform"] = _compare(arguments, uniform, entrants, arguments.runs)
            entrants.half = None
        if arguments.sweep != "uniform":
            out["mixed"] = _compare(arguments, mixed, entrants, max(1, arguments.runs - 1))
    if cuda and "uniform" in out:
        exact = out["uniform"]["variants"]["sdbatch"]["pictures_per_second"]
        out["cost_of_exactness"] = _cost_of_exactness(arguments, jobs_of(arguments.model, *uniform), exact)
    return out


def _cost_of_exactness(arguments: Namespace, jobs: Any, exact: float) -> float:
    """The share of speed that runtime.exact=true costs. Last, because torch's settings belong to the process."""
    loose = engine.open(work.source_of(arguments.model), Runtime(compile=torch.cuda.is_available(), exact=False))
    variant = {"inexact": work.Variant(partial(work.to_disk, jobs, loose), len(jobs))}
    work.to_disk(work.Jobs(list(jobs)[:ALONE]), loose)
    speed = work.medians(arguments.runs, variant)["inexact"]["pictures_per_second"]
    loose.close()
    return round(1 - exact / speed, 3)


def _compare(arguments: Namespace, sweep: Sweep, entrants: Entrants, runs: int) -> dict[str, Any]:
    ours, rival, half = entrants.ours, entrants.rival, entrants.half
    cuda = torch.cuda.is_available()
    jobs = jobs_of(arguments.model, *sweep)
    batch = _best_batch(rival, sweep, BATCHES["cuda" if cuda else "cpu"])
    variants = _variants(jobs, sweep, ours, rival, batch)
    if half is not None:
        variants |= _in_bfloat16(jobs, sweep, half, rival, batch)
    if cuda:
        _warm(jobs, sweep, ours, rival, batch)
    ours.stats.reset_counts()
    found: dict[str, Any] = {"pictures": len(jobs), "runs": runs, "best_batch": batch}
    found["variants"] = work.medians(runs, variants)
    speed = {k: v["pictures_per_second"] for k, v in found["variants"].items()}
    found["ratios"] = {k: round(speed["sdbatch"] / v, 3) for k, v in speed.items() if k != "sdbatch"}
    if half is not None:
        found["ratios_of_bfloat16"] = {k: round(speed[HALF] / v, 3) for k, v in speed.items() if k != HALF}
    stats = ours.stats.finish()
    found["rows_used_of_paid"] = round(stats.rows_used / stats.rows_paid, 4)
    return found


def _best_batch(rival: Rival, sweep: Sweep, batches: tuple[int, ...]) -> int:
    tried = {b: rival.run("batched", sweep, 2 * max(batches), b) for b in batches}
    return min(tried, key=lambda b: tried[b])


def _variants(jobs: Any, sweep: Sweep, ours: Any, rival: Rival, batch: int) -> dict[str, work.Variant]:
    """What is compared. Compiled only where all calls have one shape: a mixed sweep would compile for minutes."""
    cuda, all_of_it = torch.cuda.is_available(), len(jobs)
    alone = min(all_of_it, ALONE) if cuda else all_of_it
    found = {
        "sdbatch": work.Variant(partial(work.to_disk, jobs, ours), all_of_it),
        "a: one call a picture": work.Variant(partial(rival.run, "one by one", sweep, alone), alone),
        BEST: work.Variant(partial(rival.run, "batched", sweep, all_of_it, batch), all_of_it),
    }
    if cuda and sweep[0] == "uniform":
        whole = all_of_it // batch * batch
        found["c: b and torch.compile"] = work.Variant(partial(rival.run, "compiled", sweep, whole, batch), whole)
    return found


def _in_bfloat16(jobs: Any, sweep: Sweep, half: Any, rival: Rival, batch: int) -> dict[str, work.Variant]:
    run = partial(rival.run, "batched", sweep, len(jobs), batch, "bfloat16")
    return {
        HALF: work.Variant(partial(work.to_disk, jobs, half), len(jobs)),
        f"{BEST}, bfloat16": work.Variant(run, len(jobs)),
    }


def _warm(jobs: Any, sweep: Sweep, ours: Any, rival: Rival, batch: int) -> None:
    """Every shape once on CUDA: compiling and start-up are not what is compared."""
    seen = {ours.bucket(job.shot): job for job in jobs}
    work.to_disk(work.Jobs(list(seen.values())), ours)
    if sweep[0] == "uniform":
        rival.run("compiled", sweep, batch, batch)
