"""Measure speed; results as JSON in benchmarks/results/.   python -m benchmarks [NAME …] [--quick]

Names: throughput, busy, plan, again, together, start, precision, cluster, million, publish, motion (needs the ``bench``
extra), lora_rows, loras.
All variants of a benchmark run in turn, on the same weights, sizes and steps; every figure is a median of several runs
(cluster and million: of one), and the device is named.
Stages for a GPU, each with a time limit:   python -m benchmarks gpu --help
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.machine import describe

NAMES = (
    "plan",
    "again",
    "together",
    "busy",
    "throughput",
    "start",
    "precision",
    "cluster",
    "million",
    "motion",
    "publish",
    "lora_rows",
    "loras",
)
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    if sys.argv[1:2] == ["gpu"]:
        from benchmarks.gpu import command

        sys.exit(command.main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, choices=[*NAMES, []], metavar="NAME")
    parser.add_argument("--model", default="tiny", help="tiny on a CPU, random_sd15 on CUDA")
    parser.add_argument("--runs", type=int, default=3, help="runs of each variant")
    parser.add_argument("--mixed", type=int, default=200, help="jobs of the mixed sweep")
    parser.add_argument("--sweep", choices=["both", "uniform", "mixed"], default="both", help="of throughput")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see that it works")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    for name in arguments.names:
        result = {"device": describe(), **import_module(f"benchmarks.{name}").run(arguments)}
        RESULTS.mkdir(exist_ok=True)
        suffix = "-quick" if arguments.quick else ""
        sweep = f"-{arguments.sweep}" if name == "throughput" and arguments.sweep != "both" else ""
        path = RESULTS / f"{name}{sweep}-{result['device']['type']}{suffix}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
