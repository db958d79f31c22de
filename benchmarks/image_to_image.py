"""A folder of pictures at three strengths: sdbatch, and diffusers' image-to-image pipeline at several batch sizes.

    python -m benchmarks.image_to_image [--pictures 8] [--batches 1 4 8] [--dtype bfloat16]

On the CPU, both in the same precision, with the embedded model, each in a process of its own with its settings of
torch. One call of the pipeline takes pictures of one strength; PNGs are written by both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import work
from sdbatch.plan.plan import Plan

STRENGTHS = (0.3, 0.6, 0.9)
STEPS = 20


def folder_of(count: int, folder: Path) -> Path:
    """Pictures of noise and gradients, 128 x 128."""
    for n in range(count):
        rng = np.random.default_rng(n)
        rough = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8))
        rough.resize((128, 128), Image.Resampling.BICUBIC).save(folder / f"{n:03d}.png")
    return folder


def planned(folder: Path) -> Plan:
    return work.make_plan(
        prompts=work.PROMPTS[:1],
        model={"kind": "tiny"},
        init={"image": str(folder)},
        sampling={"sampler": "dpmpp_2m_karras", "steps": STEPS, "guidance": 6.0},
        sweep=[{"init.strength": list(STRENGTHS)}],
    )


def ours(folder: Path, dtype: Any) -> float:
    from sdbatch import engine
    from sdbatch.config.runtime import Runtime

    plan = planned(folder)
    renderer = engine.open(plan.resolved.source, Runtime(device="cpu", dtype=dtype))
    work.to_disk(work.Jobs([plan[0]]), renderer)  # warm
    return work.to_disk(plan, renderer)


def theirs(folder: Path, batch: int, dtype: str) -> float:
    import diffusers
    import torch

    from benchmarks.reference import SCHEDULERS, open_pipeline

    usual = open_pipeline("tiny", "cpu", dtype, best=True)
    pipe: Any = diffusers.StableDiffusionImg2ImgPipeline(**usual.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    name, extra = SCHEDULERS["dpmpp_2m_karras"]
    pipe.scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config, **extra)
    images = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]

    def call(part: list[Image.Image], strength: float) -> list[Image.Image]:
        more = {"num_inference_steps": STEPS, "guidance_scale": 6.0, "strength": strength}
        more["generator"] = [torch.Generator().manual_seed(0) for _ in part]  # type: ignore[assignment]
        return list(pipe([work.PROMPTS[0]] * len(part), image=part, **more).images)

    call(images[:batch], STRENGTHS[0])  # warm
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        for strength in STRENGTHS:
            for i in range(0, len(images), batch):
                for n, image in enumerate(call(images[i : i + batch], strength)):
                    image.save(Path(out) / f"{strength}-{i + n}.png", compress_level=1)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--one", type=int, help="in this process: 0 sdbatch, else the pipeline with this batch")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder_of(given.pictures, Path(temporary))
        if given.one is not None:
            seconds = theirs(folder, given.one, given.dtype) if given.one else ours(folder, given.dtype)
            print(json.dumps(seconds))
            return
    count = given.pictures * len(STRENGTHS)
    for one in (0, *given.batches):
        same = [f"--pictures={given.pictures}", f"--dtype={given.dtype}"]
        command = [sys.executable, "-m", "benchmarks.image_to_image", f"--one={one}", *same]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = float(done.stdout.splitlines()[-1])
        print(f"{f'diffusers, batch {one}' if one else 'sdbatch':20} {count / seconds:.2f} pictures/s", flush=True)


if __name__ == "__main__":
    main()
