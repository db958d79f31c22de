"""A research object of 10,000 pictures, digests only, made and checked: seconds and memory of a fresh process each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

CODE = """
import json, resource, sys, time
from sdbatch.cli import run
start = time.perf_counter()
code = run(json.loads(sys.argv[1]))
mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"code": code, "seconds": round(time.perf_counter() - start, 1), "mb": round(mb)}))
"""


def run(arguments: Namespace) -> dict[str, Any]:
    """The pictures are those of the fake model, 64 × 64: what is measured is everything but rendering."""
    jobs = 1_000 if arguments.quick else 10_000
    settings = ["name=many", "model=fake", "prompts=[a sea]", "canvas=[64x64]", f"seeds=0..{jobs - 1}"]
    settings += ["gallery.enabled=false", "sampling.steps=1"]
    found: dict[str, Any] = {"pictures": jobs}
    with tempfile.TemporaryDirectory() as folder:
        _once(settings, folder)
        for kind in ("digests", "all"):
            found[f"publish_{kind}"] = _once([*settings, "task=publish", f"publish.pictures={kind}"], folder)
            found[f"zip_{kind}_mb"] = round((Path(folder) / "publish/many.zip").stat().st_size / 1e6, 1)
            found[f"check_{kind}"] = _once(["task=check", "source=publish/many.zip"], folder)
    return found


def _once(command: list[str], folder: str) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))
