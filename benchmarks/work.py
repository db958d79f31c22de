"""The sweeps that are measured, and the one way to run a plan that all benchmarks share."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from sdbatch.config.validation import validate
from sdbatch.models.source import Source
from sdbatch.plan.plan import Plan, plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Options
from sdbatch.runner import run as run_plan
from sdbatch.spec.jobs import Job, Shot
from sdbatch.spec.renderer import Renderer
from sdbatch.store import Store
from sdbatch.tasks.rerender import SharedRenderer

PROMPTS = [
    "anime scene, red torii gate, sea, sunset sky",
    "red lighthouse, sea, night sky, stars",
    "pink cherry tree, mountains, dawn, petals",
    "white castle, snow hills, day, clouds",
    "yellow balloon, desert, sunset",
    "sailing boat, sea, day, clouds",
]
RATIOS = ["1:1", "3:4", "4:3", "9:16", "16:9"]
SAMPLERS = ["ddim", "euler", "euler_a", "dpmpp_2m_karras", "unipc", "heun", "lms"]


def make_plan(**keys: Any) -> Plan:
    return plan(resolve(validate({"name": "bench", "prompts": PROMPTS, **keys})))


def uniform(model: str, count: int, steps: int) -> Plan:
    """One size, one sampler: what batching was made for."""
    sampling = {"sampler": "dpmpp_2m_karras", "steps": steps, "guidance": 6.0}
    return make_plan(model={"kind": model}, sampling=sampling, seeds=f"0..{-(-count // len(PROMPTS)) - 1}")


class Jobs(Sequence[Job]):
    """A list of jobs where a plan is wanted."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self.ids = [j.id for j in jobs]

    def __len__(self) -> int:
        return len(self._jobs)

    def __getitem__(self, i: Any) -> Any:
        return self._jobs[i]


def mixed(model: str, count: int, seed: int = 7, steps: tuple[int, int] = (10, 50)) -> Jobs:
    """Seeded-random jobs over 5 ratios, 10–50 steps, guidance 1–12 and 7 samplers: nearly all different."""
    rng = random.Random(seed)
    base = make_plan(model={"kind": model}, canvas=RATIOS)
    jobs: dict[str, Job] = {}
    while len(jobs) < count:
        shot = replace(
            base[rng.randrange(len(base))].shot,
            seed=rng.randrange(2**31),
            sampler=rng.choice(SAMPLERS),
            steps=rng.randint(*steps),
            guidance=rng.choice([1.0, *(float(g) for g in range(2, 13))]),
        )
        jobs[shot.id] = Job(shot.id, shot, slug="mixed")
    return Jobs(list(jobs.values()))


def source_of(model: str) -> Source:
    return make_plan(model={"kind": model}).resolved.source


def to_disk(jobs: Any, renderer: Renderer) -> float:
    """Seconds to render ``jobs`` into a fresh folder, files and manifest on disk."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        outcome = run_plan(jobs, Store(Path(folder)), lambda: SharedRenderer(renderer), Options())
        seconds = time.perf_counter() - start
    if outcome.done != len(jobs):
        raise RuntimeError(f"{outcome.failed} of {len(jobs)} jobs failed: {outcome.errors[:1]}")
    return seconds


class Variant(NamedTuple):
    """One way to render ``pictures``; ``run`` returns its seconds."""

    run: Callable[[], float]
    pictures: int


def medians(runs: int, variants: dict[str, Variant]) -> dict[str, dict[str, float]]:
    """Variants in turn, ``runs`` times over, so that load on the machine affects all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(runs):
        for name, variant in variants.items():
            seconds[name].append(variant.run())
    return {name: _speed(variant.pictures, median(seconds[name])) for name, variant in variants.items()}


def _speed(pictures: int, seconds: float) -> dict[str, float]:
    return {
        "pictures": pictures,
        "seconds": round(seconds, 3),
        "pictures_per_second": round(pictures / seconds, 3),
    }


def shots(jobs: Any) -> list[Shot]:
    return [job.shot for job in jobs]
