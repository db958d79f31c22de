"""A simulation of 1 to 512 workers on a plan of a million jobs, and what such a plan costs at the start.

The chunks, their order and the shards are those of ``plan.division``; time, claims and deaths are simulated: a worker
renders at a speed of its own, starts within the first minute, and may die. Those that are idle take over a dead
worker's chunk job by job once its heartbeat is old. A worker of mean speed needs one second for a mean job.
"""

from __future__ import annotations

import heapq
import random
from argparse import Namespace
from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks import million
from sdbatch.plan import division
from sdbatch.plan.division import Chunks
from sdbatch.plan.plan import Plan
from sdbatch.spec.file_names import fan
from sdbatch.store.claims import IMPATIENT, MISSES

WORKERS = (1, 8, 64, 512)
RULES = {  # (GUIDE, MAX_CHUNK) of plan.division
    "64 jobs always": (1, 64),
    "256 jobs always": (1, 256),
    "1/2048 of the rest, up to 64 jobs": (2048, 64),
    "1/512 of the rest, up to 256 jobs": (512, 256),
    "1/2048 of the rest, up to 256 jobs": (2048, 256),
    "1/8192 of the rest, up to 256 jobs": (8192, 256),
}
SPREAD = 0.15  # standard deviation of the logarithm of speeds
LATE = 60.0  # seconds within which workers start
DEATHS = 0.02  # the share of workers that die


@dataclass(slots=True)
class Worker:
    """``order``: the chunks in the order in which it wants them. ``seen``: which it knows to be taken."""

    speed: float
    dies: float
    order: list[int]
    seen: Any
    at: int = 0
    end: float = 0.0
    misses: int = 0


@dataclass(slots=True)
class Cluster:
    """The workers of one plan. ``unit``: the cost of a mean job."""

    chunks: Chunks
    unit: float
    workers: list[Worker]
    taken: Any
    orphans: list[tuple[float, float]] = field(default_factory=list)  # single jobs: (when they can be taken, cost)
    claims: list[float] = field(default_factory=list)  # when
    idle: list[int] = field(default_factory=list)
    failed: int = 0
    lists: int = 0

    def run(self) -> None:
        """Every worker renders until nothing is left."""
        dice = random.Random(len(self.workers))
        free = [(dice.uniform(0, LATE) if len(self.workers) > 1 else 0.0, n) for n in range(len(self.workers))]
        heapq.heapify(free)
        while free:
            now, n = heapq.heappop(free)
            worker = self.workers[n]
            if now >= worker.dies:
                continue
            if (chunk := self.claim(worker)) is not None:
                cost, jobs = float(self.chunks.costs[chunk]), int(self.chunks.sizes[chunk])
            elif self.orphans:
                when, cost = heapq.heappop(self.orphans)
                now, jobs = max(now, when), 1
            else:
                self.idle.append(n)
                continue
            self.claims.append(now)
            end = now + cost / self.unit / worker.speed
            if end <= worker.dies:
                worker.end = end
                heapq.heappush(free, (end, n))
            else:
                self.die(worker, now, cost / jobs, jobs)
                for k in self.idle:
                    heapq.heappush(free, (self.workers[k].end, k))
                self.idle.clear()

    def die(self, worker: Worker, now: float, cost: float, jobs: int) -> None:
        """What the worker has not finished can be taken over later."""
        done = int((worker.dies - now) * worker.speed * self.unit / cost)
        for _ in range(jobs - done):
            heapq.heappush(self.orphans, (worker.dies + IMPATIENT, cost))

    def claim(self, worker: Worker) -> int | None:
        """The next chunk that nobody has, as ``store.Claims`` finds it."""
        while worker.at < len(worker.order):
            chunk = worker.order[worker.at]
            worker.at += 1
            if worker.seen[chunk]:
                continue
            worker.seen[chunk] = True
            if not self.taken[chunk]:
                self.taken[chunk] = True
                worker.misses = 0
                return chunk
            self.failed += 1
            worker.misses += 1
            if worker.misses == MISSES:
                worker.misses = 0
                self.lists += 1
                worker.seen |= self.taken
        return None

    def result(self) -> dict[str, Any]:
        ends = [w.end for w in self.workers if w.dies == np.inf]
        per_second = Counter(int(when / 10) for when in self.claims)
        return {
            "seconds": round(max(ends), 1),
            "tail": round(max(ends) / fmean(ends) - 1, 5),
            "claims": len(self.claims),
            "claims_per_second": round(len(self.claims) / max(ends), 2),
            "claims_per_second_most": max(per_second.values()) / 10,
            "failed_claims": self.failed,
            "folder_lists": self.lists,
        }


def simulate(plan: Plan, chunks: Chunks, count: int, deaths: float) -> dict[str, Any]:
    """Render ``plan`` with ``count`` workers."""
    dice = random.Random(count)
    unit = float(chunks.costs.sum()) / len(plan)
    length = len(plan) / count
    first = np.unique(chunks.of, return_index=True)[1]
    kinds = division.kinds(plan)
    kind = [kinds.kinds[kinds.of[i]] for i in first]
    evaluations = np.array([k.evaluations for k in kind])
    lanes = np.array([k.width * k.height * 10**6 + k.width for k in kind])
    workers = []
    for n in range(count):
        shuffle = None if n == 0 else dice.getrandbits(32)
        order = np.lexsort((chunks.ranks(shuffle), -evaluations, -lanes)).tolist()
        dies = dice.uniform(0, length) if dice.random() < deaths and n else np.inf
        speed = dice.lognormvariate(0, SPREAD) if count > 1 else 1.0
        workers.append(Worker(speed, dies, order, np.zeros(len(chunks), bool)))
    cluster = Cluster(chunks, unit, workers, np.zeros(len(chunks), bool))
    cluster.run()
    return {"workers": count, "died": sum(w.dies < np.inf for w in workers), **cluster.result()}


def with_rule(plan: Plan, guide: int, most: int) -> Chunks:
    """The chunks by other rules than those in use."""
    before = division.GUIDE, division.MAX_CHUNK
    division.GUIDE, division.MAX_CHUNK = guide, most
    try:
        return division.chunks(plan)
    finally:
        division.GUIDE, division.MAX_CHUNK = before


def files(plan: Plan, chunks: Chunks) -> dict[str, Any]:
    """What is on the disk, and what a worker reads when it starts beside others."""
    line = len(million.record(plan.ids[0], plan[0].path).line())
    folders = Counter(fan(job_id) for job_id in plan.ids)
    return {
        "pictures_per_folder": max(folders.values()),
        "folders": len(folders),
        "claims_folder": len(chunks) + WORKERS[-1],
        "manifest_mb": round(line * len(plan) / 2**20, 1),
        "manifest_mb_of_a_worker": {n: round(line * len(plan) / n / 2**20, 2) for n in WORKERS},
        "start_reads": {n: {"folder_lists": len(folders) + 3, "manifests": n + 1, "heartbeats": n} for n in WORKERS},
    }


def shards(plan: Plan) -> dict[int, float]:
    """How much the dearest static shard costs more than the cheapest."""
    costs = division.kinds(plan).costs()
    out = {}
    for count in WORKERS[1:]:
        loads = np.bincount(division.shards(plan, count), costs)
        out[count] = round(float(loads.max() / loads.min()) - 1, 6)
    return out


def run(arguments: Namespace) -> dict[str, Any]:
    jobs = 20_000 if arguments.quick else 1_000_000
    plan = million.sweep(jobs)
    chunks = division.chunks(plan)
    return {
        "jobs": len(plan),
        "chunks": len(chunks),
        "assumed": {"speeds": SPREAD, "start_seconds": LATE, "deaths": DEATHS, "heartbeat_seconds": IMPATIENT},
        "static_shards_spread": shards(plan),
        "healthy": [simulate(plan, chunks, count, 0.0) for count in WORKERS],
        "with_deaths": [simulate(plan, chunks, count, DEATHS) for count in WORKERS[1:]],
        "rules": {
            name: {"chunks": len(c := with_rule(plan, *rule)), **simulate(plan, c, WORKERS[-1], DEATHS)}
            for name, rule in RULES.items()
        },
        "files": files(plan, chunks),
    }
