"""Whole runs: pictures on disk per second, chains, mixed sweeps, and cards of less memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks import work
from benchmarks.gpu.raw import Raw
from benchmarks.gpu.setting import Bench, opening
from benchmarks.gpu.timing import timed
from sdbatch.pictures.read import pixels
from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Bucket, Picture, Pixels
from sdbatch.spec.start import Start

STRENGTH = 0.6
WARM = (6, 2)  # pictures and steps before anything is timed


def uniform(bench: Bench) -> dict[str, Any]:
    """Pictures of one size on disk per second, eager."""
    return to_disk(bench, bench.engine(), sweep(bench))


def sweep(bench: Bench) -> Any:
    """A plan of pictures of one size."""
    jobs = work.uniform(bench.setting.model, bench.setting.pictures, bench.setting.steps)
    return work.Jobs([jobs[i] for i in range(bench.setting.pictures)])


def mixed(bench: Bench) -> dict[str, Any]:
    """The mixed sweep: five ratios, any steps and samplers, eager."""
    return to_disk(bench, bench.engine(), mixture(bench))


def mixture(bench: Bench) -> work.Jobs:
    setting = bench.setting
    return work.mixed(setting.model, setting.mixed, steps=setting.mixed_steps)


def inexact(bench: Bench) -> dict[str, Any]:
    """What exactness costs: runtime.exact=false, where cuDNN measures and chooses."""
    ours, side = bench.engine(exact=False), bench.setting.side
    size = ours.profile.rows
    call = timed(Raw(ours).call(side, side, size), bench.setting.repeats)
    return {"rows": size, "call": call, **to_disk(bench, ours, sweep(bench))}


def to_disk(bench: Bench, ours: Any, jobs: Any) -> dict[str, Any]:
    """Seconds of each run and the parts of the last; events of CUDA hold gaps (stage ``kernels`` does without)."""
    work.to_disk(work.uniform(bench.setting.model, *WARM), ours)
    seconds = []
    for _ in range(bench.setting.runs):
        ours.stats.reset_counts()
        seconds.append(work.to_disk(jobs, ours))
    stats = ours.stats.finish()
    return {
        "pictures": len(jobs),
        "seconds": [round(s, 2) for s in seconds],
        "pictures_per_second": round(len(jobs) / min(seconds), 3),
        "rows_used_of_paid": round(stats.rows_used / stats.rows_paid, 4),
        "calls": stats.calls,
        "parts": {k: round(v, 3) for k, v in stats.seconds.items() if not k.startswith("start")},
        "opening": opening(ours),
        "exact": ours.profile.exact,
    }


def chain(bench: Bench) -> dict[str, Any]:
    """A chain, as videos by feedback are: each shot starts from the picture before."""
    ours, shots = bench.engine(), chained(bench)
    follow(ours, shots[:1])
    ours.stats.reset_counts()
    began = perf_counter()
    follow(ours, shots)
    seconds = perf_counter() - began
    stats = ours.stats.finish()
    return {
        "shots": len(shots),
        "seconds": round(seconds, 3),
        "calls": stats.calls,
        "milliseconds_per_call": round(seconds / stats.calls * 1e3, 2),
        "rows_used_of_paid": round(stats.rows_used / stats.rows_paid, 4),
    }


def chained(bench: Bench) -> list[Shot]:
    shots = [replace(sweep(bench)[0].shot, steps=bench.setting.steps)]
    for seed in range(1, bench.setting.chain):
        shots.append(replace(shots[0], seed=seed, start=Start(shots[-1].id, STRENGTH)))
    return shots


def follow(ours: Any, shots: Sequence[Shot]) -> None:
    """Render ``shots``, each of which may need the pictures of earlier ones."""
    feed = Following(shots, ours)
    for result in ours.render(feed):
        if not isinstance(result, Picture):
            raise RuntimeError(result.error)
        feed.pictures[result.shot.id] = result.pixels


class Following:
    """A :class:`sdbatch.spec.renderer.Feed` of a list: a shot is ready when its parents' pictures are there."""

    def __init__(self, shots: Sequence[Shot], ours: Any) -> None:
        self.pictures: dict[str, Pixels] = {}
        self._waiting = list(shots)
        self._bucket = ours.bucket

    def take(self, bucket: Bucket | None = None, but: Container[Bucket] = ()) -> Shot | None:
        for shot in self._waiting:
            own = self._bucket(shot)
            wanted = own == bucket or (bucket is None and own not in but)
            if wanted and all(parent in self.pictures for parent in shot.parents):
                self._waiting.remove(shot)
                return shot
        return None

    def waiting(self) -> dict[Bucket, int]:
        return Counter(map(self._bucket, self._waiting))

    def picture(self, shot_id: str) -> Pixels:
        return self.pictures[shot_id]

    def input(self, picture: InputPicture) -> Pixels:
        return pixels(Path(picture.path), picture.digest)


def card(bench: Bench, gigabytes: int) -> dict[str, Any]:
    """Whether a run of the default settings gets through on a card of less memory, by the allocator's limit."""
    if not bench.rehearsed:
        total = torch.cuda.get_device_properties().total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gigabytes * 2**30 / total))
    ours = bench.engine()
    before = ours.profile.rows
    seconds = work.to_disk(work.Jobs(list(sweep(bench))[:12]), ours)
    found = {"gigabytes": gigabytes, "rows": [before, ours.profile.rows], "seconds": round(seconds, 2)}
    if bench.rehearsed:
        return found | {"limited": False}
    peak, ooms = torch.cuda.max_memory_reserved() / 2**30, torch.cuda.memory_stats()["num_ooms"]
    return found | {"limited": True, "peak_gb": round(peak, 2), "out_of_memory": ooms}
