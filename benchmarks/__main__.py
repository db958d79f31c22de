"""Measure speed; results as JSON in benchmarks/results/.   python -m benchmarks [NAME …] [--quick]

Names: throughput, busy, plan, again, together, motion (needs the ``bench`` extra). Variants of a benchmark run in one
process, on the same weights, sizes and steps; every figure is a median of several runs, and the device is named.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAMES = ("plan", "again", "together", "busy", "throughput", "motion")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, choices=[*NAMES, []], metavar="NAME")
    parser.add_argument("--model", default="tiny", help="tiny on a CPU, random_sd15 on CUDA")
    parser.add_argument("--runs", type=int, default=3, help="runs of each variant")
    parser.add_argument("--mixed", type=int, default=200, help="jobs of the mixed sweep")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see that it works")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    for name in arguments.names:
        result = {"device": device(), **import_module(f"benchmarks.{name}").run(arguments)}
        RESULTS.mkdir(exist_ok=True)
        suffix = "-quick" if arguments.quick else ""
        path = RESULTS / f"{name}-{result['device']['type']}{suffix}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        print(json.dumps(result, indent=2))


def device() -> dict[str, Any]:
    """The machine in words: what a figure is worth depends on it."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "type": "cuda" if cuda else "cpu",
        "name": torch.cuda.get_device_name() if cuda else _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "diffusers": version("diffusers"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
