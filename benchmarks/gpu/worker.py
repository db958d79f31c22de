"""One stage in this process:   python -m benchmarks.gpu.worker STAGE FOLDER [--rehearse]"""

from __future__ import annotations

import argparse
import json
import logging
import traceback
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import machine
from benchmarks.gpu.setting import GPU, REHEARSAL, Bench
from benchmarks.gpu.stages import STAGES, Stage

TRACE = 3000  # characters of a traceback that are kept


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.worker", description=__doc__)
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    stage, bench = STAGES[arguments.stage], Bench(REHEARSAL if arguments.rehearse else GPU)
    write(arguments.folder, run(stage, bench))


def run(stage: Stage, bench: Bench) -> dict[str, Any]:
    """What the stage found, or its error: neither ends the benchmark."""
    began = perf_counter()
    with machine.watched() as clock:
        try:
            found: dict[str, Any] = {"status": "done", "result": stage(bench)}
        except Exception as e:
            trace = traceback.format_exc()[-TRACE:]
            found = {"status": "failed", "error": f"{type(e).__name__}: {e}"[:600], "trace": trace}
    seconds = round(perf_counter() - began, 1)
    head = {"stage": stage.name, "seconds": seconds, "machine": machine.describe(), "clock": clock}
    return head | found | {"setting": asdict(bench.setting), "environment": dict(stage.environment)}


def path_of(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.json"


def write(folder: Path, found: dict[str, Any]) -> None:
    """Whole or not at all: the process may be ended at any moment."""
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, found["stage"])
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1, default=str) + "\n", "utf-8")
    part.replace(path)


if __name__ == "__main__":
    main()
