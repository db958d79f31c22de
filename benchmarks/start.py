"""Seconds from a command to its first picture on disk, and the parts of that time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import work
from sdbatch import engine
from sdbatch.config.runtime import Runtime

ROOT = Path(__file__).parents[1]
POLL = 0.005  # seconds


def run(arguments: Namespace) -> dict[str, Any]:
    order = ["-m", "sdbatch", f"model={arguments.model}", "prompts=[a red lighthouse]", "seeds=0"]
    asked = {
        "interpreter": ["-c", "pass"],
        "plan": [*order, "task=plan"],
        "torch": ["-c", "import torch"],
        "engine": ["-c", "import sdbatch.engine.torch_engine"],
    }
    first_picture = partial(_seconds, order, "outputs/*/images/*.png")
    first_picture()  # files are read from memory from now on
    seconds = {name: median(_seconds(command) for _ in range(arguments.runs)) for name, command in asked.items()}
    whole = median(first_picture() for _ in range(arguments.runs))
    opened = _opening(arguments.model)
    parts = {
        "interpreter": seconds["interpreter"],
        "configuration and plan": seconds["plan"] - seconds["interpreter"],
        "import torch": seconds["torch"] - seconds["interpreter"],
        "import the rest of the engine": seconds["engine"] - seconds["torch"],
        **opened,
    }
    parts["picture, files, and what is not measured apart"] = whole - sum(parts.values())
    return {
        "model": arguments.model,
        "first_picture": round(whole, 2),
        "parts": {name: round(value, 2) for name, value in parts.items()},
    }


def _seconds(command: list[str], until: str = "") -> float:
    """Seconds until a file ``until`` is there, or until the process ends. In an empty folder."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL) as it:
            while until and it.poll() is None and not any(Path(folder).glob(until)):
                time.sleep(POLL)
            waited = time.perf_counter() - start
            code = it.wait()
        if code or (until and not any(Path(folder).glob(until))):
            raise RuntimeError(f"{command} ended with {code}")
        return waited if until else time.perf_counter() - start


def _opening(model: str) -> dict[str, float]:
    """Weights and self-test, measured where everything is imported."""
    opened = engine.open(work.source_of(model), Runtime())
    opened.close()
    return {name: opened.stats.seconds[f"start: {name}"] for name in ("weights", "self-test")}
