"""A plan of a million jobs: the seconds and memory of dividing it, and of a start after all of it is done.

Each figure is from a fresh process. The pictures are empty files: a start does not read them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.work import RATIOS, SAMPLERS, make_plan
from sdbatch.plan.plan import Plan
from sdbatch.store import Record, Store

SHARDS = 8
MEASURED = """
import json, resource, sys, time
from pathlib import Path
from benchmarks import million
start = time.perf_counter()
found = million.{what}({arguments})
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
cpu, mb = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
took = {{"seconds": round(seconds, 2), "cpu": round(cpu, 2), "mb": round(mb)}}
print(json.dumps({{**took, **found, "torch": "torch" in sys.modules}}))
"""


def sweep(jobs: int) -> Plan:
    """About so many jobs: 5 sizes, 7 samplers, 5 steps, 3 guidances, 6 prompts, and seeds."""
    axes = {"sampling.sampler": SAMPLERS, "sampling.steps": [10, 20, 30, 40, 50], "sampling.guidance": [1, 6, 9]}
    seeds = max(1, round(jobs / (5 * 7 * 5 * 3 * 6)))
    entries = [{key: values} for key, values in axes.items()]
    more = {"canvas": RATIOS, "seeds": f"0..{seeds - 1}", "plan": {"limit": 10**7}}
    return make_plan(model={"kind": "fake"}, sweep=entries, **more)


def divide(jobs: int) -> dict[str, Any]:
    """Make the plan and divide it into chunks and shards."""
    from sdbatch.plan import division

    plan = sweep(jobs)
    costs = division.kinds(plan).costs()
    loads = [float(costs[division.shard(plan, n, SHARDS)].sum()) for n in range(SHARDS)]
    chunks = division.chunks(plan)
    return {"jobs": len(plan), "chunks": len(chunks), "shards": SHARDS, "spread": max(loads) / min(loads) - 1}


def again(jobs: int, root: str) -> dict[str, Any]:
    """A start of a process: plan, records, states of all jobs; there is nothing to render."""
    from sdbatch.runner import run

    plan = sweep(jobs)
    outcome = run(plan, Store(Path(root)), lambda: (_ for _ in ()).throw(AssertionError))
    return {"jobs": len(plan), "skipped": outcome.skipped}


def finished(jobs: int, root: Path) -> None:
    """The folder of a run that has rendered everything."""
    plan, store = sweep(jobs), Store(root, durable=False)
    with store.worker() as worker:
        store.keep_plan(worker, plan)
        for i in range(len(plan)):
            job = plan[i]
            path = root / job.path
            if i < 10_000:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            worker.record(record(job.id, job.path))
        store.compact(worker, plan)


def record(job_id: str, path: str) -> Record:
    """A record of the usual length."""
    return Record(job_id, "done", path, f"b2:{job_id[1:]:0<32}", f"b2:{job_id[1:]:0<32}", 415_000, "p0123456789abcdef")


def measured(what: str, *arguments: Any) -> dict[str, Any]:
    code = MEASURED.format(what=what, arguments=", ".join(map(repr, arguments)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def run(arguments: Namespace) -> dict[str, Any]:
    jobs = 20_000 if arguments.quick else 1_000_000
    root = Path(tempfile.mkdtemp(prefix="sdbatch-million-"))
    try:
        finished(jobs, root / "x")
        size = round((root / "x/manifest.jsonl").stat().st_size / 2**20, 1)
        start = measured("again", jobs, str(root / "x"))
        return {"divide": measured("divide", jobs), "start": start, "manifest_mb": size}
    finally:
        shutil.rmtree(root)
