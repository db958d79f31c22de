"""A plan of 100,000 jobs: seconds and memory, in a fresh process, and that torch stays out."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from statistics import median
from typing import Any

CODE = """
import json, resource, sys, time
from benchmarks.work import make_plan
zipped = {"sampling.steps": [12, 24], "sampling.sampler": ["euler_a", "ddim"]}
sweep = [{"sampling.guidance": [4, 6, 8, 10, 12]}, zipped]
start = time.perf_counter()
plan = make_plan(model={"kind": "fake"}, sweep=sweep, canvas=["1:1", "16:9"], seeds="0..%d", plan={"limit": 10**6})
seconds = time.perf_counter() - start
mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"jobs": len(plan), "seconds": seconds, "mb": mb, "torch": "torch" in sys.modules}))
"""


def run(arguments: Namespace) -> dict[str, Any]:
    seeds = 83 if arguments.quick else 833
    runs = [_once(CODE % seeds) for _ in range(arguments.runs)]
    return {
        "jobs": runs[0]["jobs"],
        "seconds": round(median(r["seconds"] for r in runs), 3),
        "mb": round(median(r["mb"] for r in runs), 1),
        "torch_imported": runs[0]["torch"],
    }


def _once(code: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
