"""Time and memory of 100 to 100,000 jobs, rendered (by the fake renderer) and run again when all is done."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

RENDER = [sys.executable, "-m", "sdbatch", "model=fake", "name=again", "prompts=[x]", "canvas=[64x64]"]


def run(arguments: Namespace) -> dict[str, Any]:
    sizes = (100, 1000) if arguments.quick else (100, 10_000, 100_000)
    with tempfile.TemporaryDirectory() as folder:
        return {
            f"{jobs} jobs": {
                "first": _render(Path(folder) / str(jobs), jobs),
                "again": _render(Path(folder) / str(jobs), jobs),
            }
            for jobs in sizes
        }


def _render(folder: Path, jobs: int) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    code = (
        "import json,resource,subprocess,sys,time; t=time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(json.dumps({'seconds': round(time.perf_counter()-t, 2),"
        "'mb': round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss/1024, 1)}))"
    )
    command = [sys.executable, "-c", code, *RENDER, f"seeds=0..{jobs - 1}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
