"""``python -m benchmarks gpu [STAGE …]``: stages one after the other, each in a process of its own.

torch's settings belong to a process, an error of CUDA can stay in it, and only a process can be ended in time.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.gpu.stages import STAGES, Stage
from benchmarks.gpu.worker import path_of, write

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parents[1] / "results" / "gpu"
REHEARSALS = Path("runs") / "benchmarks"
LIMIT = 1500.0
ALL_WELL, FAILED, NO_GPU = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Exit code: 1 if a stage failed, 2 without a GPU."""
    given = _parser().parse_args(arguments)
    if given.list:
        print("\n".join(f"{s.name:20} about {s.seconds:4} s  {s.about}" for s in STAGES.values()))
        return ALL_WELL
    machine = _machine()
    if machine["type"] != "cuda" and not given.rehearse:
        print(f"benchmarks gpu: torch {machine['torch']} finds no CUDA device here; try --rehearse", file=sys.stderr)
        return NO_GPU
    folder = given.out or (REHEARSALS if given.rehearse else RESULTS / _slug(machine["name"]))
    stages = [STAGES[name] for name in given.stages or STAGES]
    return run(stages, folder, Budget(given.limit, given.slower), Process(folder, given.rehearse), machine)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], metavar="STAGE", help="all, unless some are named")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for all stages (default %(default)g)")
    parser.add_argument("--slower", type=float, default=1.0, help="how many times slower than an H100 the card is")
    parser.add_argument("--rehearse", action="store_true", help="every stage on the CPU with the embedded model, tiny")
    parser.add_argument("--out", type=Path, help="folder of the results (default: one by the card's name)")
    parser.add_argument("--list", action="store_true", help="name the stages and what they measure")
    return parser


def _machine() -> dict[str, Any]:
    """Asked in another process: this one is to hold no memory of the card."""
    command = [sys.executable, "-m", "benchmarks.machine"]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _environment() -> dict[str, str]:
    """The stages find this repository's modules wherever they are started."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


class Budget:
    """Seconds that are left for all stages. ``slower`` stretches what stages need."""

    def __init__(self, limit: float, slower: float = 1.0, now: Callable[[], float] = monotonic) -> None:
        self._end, self._slower, self._now = now() + limit, slower, now

    @property
    def left(self) -> float:
        return self._end - self._now()

    def refusal(self, stage: Stage) -> str | None:
        """Why ``stage`` does not fit any more; None if it does."""
        needed = stage.seconds * self._slower
        if needed <= self.left:
            return None
        return f"skipped: needs about {needed:.0f} s, {max(0.0, self.left):.0f} s left"

    def limit(self, stage: Stage) -> float:
        """Seconds after which ``stage`` is ended."""
        return min(self.left, stage.limit * self._slower)


class Process:
    """Runs a stage in a process; what it leaves in the folder is its result."""

    def __init__(self, folder: Path, rehearse: bool) -> None:
        self._arguments = [str(folder.resolve()), *(["--rehearse"] if rehearse else [])]

    def __call__(self, stage: Stage, limit: float) -> str:
        """How the process ended, for a stage that left no result."""
        command = [sys.executable, "-m", "benchmarks.gpu.worker", stage.name, *self._arguments]
        environment = {**_environment(), **stage.environment}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sys.stderr, start_new_session=True)
        try:
            return f"the stage's process ended with {process.wait(limit)} and left no result"
        except subprocess.TimeoutExpired:
            return f"ended after {limit:.0f} s"
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started (compilers, nvidia-smi)."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(
    stages: list[Stage],
    folder: Path,
    budget: Budget,
    process: Callable[[Stage, float], str],
    machine: dict[str, Any],
) -> int:
    """Every stage's result is on disk before the next begins; a failure of one does not stop the others."""
    failed = 0
    for stage in stages:
        path, refusal = path_of(folder, stage.name), budget.refusal(stage)
        head = {"stage": stage.name, "machine": machine}
        if refusal is not None:
            if not path.exists():  # an earlier result is worth more
                write(folder, head | {"status": "skipped", "reason": refusal})
            print(f"{stage.name:20} {refusal}", flush=True)
            continue
        path.unlink(missing_ok=True)
        end = process(stage, budget.limit(stage))
        if not path.exists():
            write(folder, head | {"status": "failed", "error": end})
        found = json.loads(path.read_text("utf-8"))
        failed += found["status"] != "done"
        print(f"{stage.name:20} {_said(found)}", flush=True)
    print(f"results: {folder}")
    return FAILED if failed else ALL_WELL


def _said(found: dict[str, Any]) -> str:
    if found["status"] != "done":
        return f"failed: {found['error']}"
    return f"{found['seconds']:6.1f} s  {json.dumps(found['result'], default=str)[:400]}"
