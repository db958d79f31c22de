"""The diffusers reference in a process of its own: the engine's settings of torch are process-wide, and there are none
in this one but torch's own.

Requests and answers are lines of JSON; the process waits between them, so that variants can be run in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from benchmarks import work
from sdbatch.spec.jobs import Shot

ENGINE_SETS = ("CUBLAS_WORKSPACE_CONFIG", "TORCHINDUCTOR_CACHE_DIR")
ROOT = Path(__file__).parents[1]
ASKED = {name: os.environ.get(name) for name in ENGINE_SETS}  # before any engine is opened


class Rival:
    """The other process. ``settings`` are torch's in there; ``run`` lets it render and returns its seconds."""

    def __init__(self, model: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in ENGINE_SETS}
        environment |= {k: v for k, v in ASKED.items() if v is not None}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "benchmarks.rival", model]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.settings: dict[str, Any] = self._answer()

    def run(
        self, variant: str, sweep: tuple[str, int, int], pictures: int, batch: int = 1, dtype: str | None = None
    ) -> float:
        """Seconds for the first ``pictures`` of ``sweep`` (name, jobs, steps); ``dtype`` is the device's usual one.

        Variants: ``one by one``, ``batched``, ``compiled``.
        """
        request = {"variant": variant, "sweep": sweep, "pictures": pictures, "batch": batch, "dtype": dtype}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the diffusers reference ended with {self._process.wait()}")
        return dict(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()  # closes its input, which ends it


def jobs_of(model: str, name: str, count: int, steps: int) -> Any:
    """A sweep by its name; ``steps`` of the mixed one are its own."""
    return work.uniform(model, count, steps) if name == "uniform" else work.mixed(model, count)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rival", description=__doc__)
    parser.add_argument("model")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    serve(parser.parse_args().model, out)


def serve(model: str, out: IO[str]) -> None:
    from benchmarks.settings import torch_settings

    print(json.dumps(torch_settings()), file=out, flush=True)
    pipe = cache(partial(_open, model))
    for line in sys.stdin:
        request = json.loads(line)
        shots = work.shots(jobs_of(model, *request["sweep"]))[: request["pictures"]]
        seconds = _run(pipe(request["variant"], request["dtype"]), request["variant"], shots, request["batch"])
        print(json.dumps({"seconds": seconds}), file=out, flush=True)


def _open(model: str, variant: str, other: str | None) -> Any:
    import torch

    from benchmarks import reference

    device, dtype = ("cuda", "float16") if torch.cuda.is_available() else ("cpu", "float32")
    pipe = reference.open_pipeline(model, device, other or dtype, best=variant != "one by one")
    if variant == "compiled":
        reference.compile_all(pipe)
    return pipe


def _run(pipe: Any, variant: str, shots: list[Shot], batch: int) -> float:
    from benchmarks import reference

    return reference.one_by_one(pipe, shots) if variant == "one by one" else reference.grouped(pipe, shots, batch)


if __name__ == "__main__":
    main()
