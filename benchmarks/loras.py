"""Models × LoRA weights × prompts with the embedded model: what merging costs, and how full calls are.

    python -m benchmarks loras

Models are the embedded one with a little noise; the LoRA (rank 8) changes all attention layers, also those of the text
encoder.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from sdbatch import engine
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.config.validation import validate
from sdbatch.models.lora.modules import modules_of
from sdbatch.models.source import SHIPPED, Source
from sdbatch.plan.plan import Plan, plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner.queue import WorkQueue
from sdbatch.spec.cost import table_of
from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Bucket, Failure, Pixels

RANK = 8
MODELS, WEIGHTS, PROMPTS, STEPS = 4, 5, 50, 20


def variants(folder: Path, count: int) -> list[Path]:
    """Models that differ from the embedded one by noise."""
    out = []
    for n in range(count):
        made = shutil.copytree(SHIPPED / "tiny", folder / f"model{n}")
        for path in made.glob("unet/*.safetensors"):
            rng = np.random.default_rng(n)
            state = {k: v + rng.normal(0, 1e-4, v.shape).astype(v.dtype) for k, v in load_file(path).items()}
            save_file(state, path)
        out.append(made)
    return out


def lora(path: Path, source: Source) -> None:
    """A LoRA of every attention layer."""
    rng, tensors = np.random.default_rng(0), {}
    modules = modules_of(source)
    assert modules is not None
    for prefix, shapes in (("lora_unet_", modules.unet), ("lora_te_text_model_", modules.text)):
        for name, shape in shapes.items():
            if "attn" in name and len(shape) == 2:
                flat = prefix + name.replace(".", "_")
                tensors[f"{flat}.lora_down.weight"] = rng.normal(0, 0.02, (RANK, shape[1])).astype(np.float32)
                tensors[f"{flat}.lora_up.weight"] = rng.normal(0, 0.02, (shape[0], RANK)).astype(np.float32)
    save_file(tensors, path)


class Feed:
    """The runner's queue, without a store."""

    def __init__(self, shots: list[Shot], opened: Any) -> None:
        self._shots, self._queue = shots, WorkQueue()
        for n, shot in enumerate(shots):
            self._queue.add(opened.bucket(shot), n, (), float(table_of(shot).evaluations))
        self._queue.sort()

    def take(self, bucket: Bucket | None = None, but: object = ()) -> Shot | None:
        found = self._queue.pop(bucket, but)  # type: ignore[arg-type]
        return None if found is None else self._shots[found]

    def waiting(self) -> Mapping[Bucket, int]:
        return self._queue.waiting()

    def picture(self, shot_id: str) -> Pixels:
        raise KeyError(shot_id)

    def input(self, picture: InputPicture) -> Pixels:
        raise KeyError(picture.digest)


def experiment(folder: Path, prompts: int) -> Plan:
    models = variants(folder, MODELS)
    lora(folder / "all.safetensors", resolve(validate({"prompts": ["a"], "model": {"kind": "tiny"}})).source)
    data = {
        "models": [{"path": str(path)} for path in models],
        "loras": [{"path": str(folder / "all.safetensors"), "weight": f"0.2..{0.2 * WEIGHTS:.1f}..0.2"}],
        "prompts": [f"anime scene, sea, {n} torii gates" for n in range(prompts)],
        "sampling": {"steps": STEPS},
        "model": ModelSettings(kind="tiny").model_dump(mode="json"),
    }
    return plan(resolve(validate(data)))


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Render the plan once."""
    prompts = PROMPTS // 10 if arguments.quick else PROMPTS
    with tempfile.TemporaryDirectory() as name:
        jobs = experiment(Path(name), prompts)
        opened = engine.open(next(iter(jobs.models)), Runtime(device="cpu"), *list(jobs.models)[1:])
        start = perf_counter()
        results = list(opened.render(Feed([job.shot for job in jobs], opened)))
        seconds, stats = perf_counter() - start, opened.stats.finish()
    merge = stats.seconds.get("merge", 0.0)
    return {
        "models": MODELS,
        "lora_weights": WEIGHTS,
        "prompts": prompts,
        "steps": STEPS,
        "pictures": len(results),
        "failed": sum(isinstance(result, Failure) for result in results),
        "wall_seconds": round(seconds, 1),
        "loads": stats.loads,  # each model with each weight once, and the first model as it is
        "rows_used_of_paid": round(stats.rows_used / stats.rows_paid, 4),
        "merge_seconds": round(merge, 2),
        "merge_share": round(merge / seconds, 4),
    }
