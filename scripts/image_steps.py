"""Run the steps of a Dockerfile's target without a daemon:   python scripts/image_steps.py cpu TORCH_WHEELS=PLACE

In a new environment and a new folder: COPY, ENV, ARG and RUN as the file says, with the environment's Python first on
PATH; then the entry point renders a picture and verifies it. What it does not check is the base image.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMOKE = [["--version"], ["name=smoke", "prompts=[a torii gate]", "canvas=[64x64]", "sampling.steps=2"]]
SMOKE += [["name=smoke", "prompts=[a torii gate]", "canvas=[64x64]", "sampling.steps=2", "task=verify"]]


def steps(text: str, target: str) -> list[tuple[str, str]]:
    """(instruction, arguments) of ``target`` and of the stages it is made from, in order."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    found = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    stages: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for instruction, rest in ((step[0].upper(), step[1] if len(step) > 1 else "") for step in found):
        if instruction == "FROM":
            source, _, name = rest.partition(" AS ")
            stages[name] = list(stages.get(source, []))
        else:
            stages[name].append((instruction, rest))
    if target not in stages:
        raise SystemExit(f"no target {target}; there are {', '.join(filter(None, stages))}")
    return stages[target]


def run(todo: list[tuple[str, str]], given: Mapping[str, str], folder: Path) -> None:
    """Execute ``todo``; paths of the image lie below ``folder``, and so does venv/. Raises CalledProcessError."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SDBATCH", "PIP_CONSTRAINT"))}
    environment["PATH"] = f"{folder / 'venv/bin'}{os.pathsep}{environment['PATH']}"
    arguments, place = dict[str, str](), folder
    for instruction, rest in todo:
        sys.stdout.write(f"{instruction} {rest}\n")
        sys.stdout.flush()
        if instruction == "ENV":
            pairs = (pair.split("=", 1) for pair in rest.split())
            environment |= {k: str(folder / v[1:]) if v.startswith("/") else v for k, v in pairs}
        elif instruction == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = given.get(name, default)
        elif instruction == "WORKDIR":
            place = folder / rest.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY":
            *sources, to = rest.split()
            for source in sources:
                _copy(ROOT / source, place / to)
        elif instruction == "RUN":
            subprocess.run(["bash", "-ec", rest], cwd=place, env=environment | arguments, check=True)  # noqa: S603, S607
        elif instruction == "ENTRYPOINT":
            for more in SMOKE:
                subprocess.run([*json.loads(rest), *more], cwd=place, env=environment, check=True)  # noqa: S603
        else:
            raise SystemExit(f"{instruction} is not known to this script")


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to / source.name if to.is_dir() else to)


def main() -> int:
    target, *more = sys.argv[1:]
    todo, given = steps((ROOT / "Dockerfile").read_text("utf-8"), target), dict(pair.split("=", 1) for pair in more)
    with tempfile.TemporaryDirectory(prefix="sdbatch-image-") as folder:
        subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)  # noqa: S603
        run(todo, given, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
