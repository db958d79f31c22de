"""Plans of 100,000 jobs, and of 10,000 prompts with wildcards: seconds and memory, in a fresh process without torch."""

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

WILDCARDS = """
import json, os, tempfile, time
from pathlib import Path
from benchmarks.work import make_plan
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    (Path("wildcards") / "sub").mkdir(parents=True)
    Path("wildcards/colours.txt").write_text("".join(f"colour {i}\\n" for i in range(1000)))
    Path("wildcards/things.txt").write_text("".join(f"{{deep|pale}} thing {i}, __colours__\\n" for i in range(20_000)))
    for i in range(100):
        Path(f"wildcards/sub/{i}.txt").write_text("".join(f"word {i} {k}\\n" for k in range(100)))
    text = "scene %d: {~red|0.5::green} boat, __~colours__, {~2$$__sub/*__}, {~__things__}, [sea:sky:0.4]\\n"
    Path("prompts.txt").write_text("".join(text % i for i in range({count})))
    start = time.perf_counter()
    plan = make_plan(model={"kind": "fake"}, prompts=[{"file": "prompts.txt"}])
    print(json.dumps({"prompts": len(plan), "seconds": round(time.perf_counter() - start, 3)}))
"""


def run(arguments: Namespace) -> dict[str, Any]:
    seeds = 83 if arguments.quick else 833
    runs = [_once(CODE % seeds) for _ in range(arguments.runs)]
    return {
        "jobs": runs[0]["jobs"],
        "seconds": round(median(r["seconds"] for r in runs), 3),
        "mb": round(median(r["mb"] for r in runs), 1),
        "torch_imported": runs[0]["torch"],
        "wildcards": _once(WILDCARDS.replace("{count}", "500" if arguments.quick else "10_000")),
    }


def _once(code: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
