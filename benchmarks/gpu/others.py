"""diffusers' pipeline as well as it can be called, with torch's own settings: these processes open no engine."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Any

from benchmarks import reference, work
from benchmarks.gpu.pictures import mixture, sweep
from benchmarks.gpu.setting import Bench
from benchmarks.settings import torch_settings

ALONE = 8  # pictures of the loop that calls the pipeline once a picture


def eager(bench: Bench) -> dict[str, Any]:
    """diffusers, channels_last, in batches; and the first pictures one by one."""
    found = _batches(bench, _pipe(bench), bench.setting.batches)
    shots = work.shots(sweep(bench))[:ALONE]
    seconds = reference.one_by_one(_pipe(bench, best=False), shots)
    return found | {"one by one": _speed(len(shots), [seconds])}


def compiled(bench: Bench) -> dict[str, Any]:
    """diffusers, channels_last, U-Net and VAE compiled, in batches of one size."""
    pipe = _pipe(bench)
    if not bench.rehearsed:
        reference.compile_all(pipe)
    began = perf_counter()
    found = _batches(bench, pipe, bench.setting.batches[:1])
    return found | {"with_compiling_seconds": round(perf_counter() - began, 1)}


def mixed(bench: Bench) -> dict[str, Any]:
    """diffusers on the mixed sweep, in the largest batches that a call can hold."""
    pipe, batch = _pipe(bench), max(bench.setting.batches)
    shots = work.shots(mixture(bench))
    reference.grouped(pipe, shots[:2], batch)
    return {"settings": torch_settings(), "mixed": _speed(len(shots), [reference.grouped(pipe, shots, batch)])}


def _pipe(bench: Bench, best: bool = True) -> Any:
    return reference.open_pipeline(bench.setting.model, bench.setting.device, bench.setting.dtype, best)


def _batches(bench: Bench, pipe: Any, batches: tuple[int, ...]) -> dict[str, Any]:
    """Whole batches only: a smaller last one would be another shape."""
    found: dict[str, Any] = {"settings": torch_settings()}
    shots = work.shots(sweep(bench))
    for batch in batches:
        reference.grouped(pipe, shots[:batch], batch)  # compiles, and lets the allocator grow
        whole = shots[: len(shots) // batch * batch]
        run = partial(reference.grouped, pipe, whole, batch)
        found[f"batch {batch}"] = _speed(len(whole), [run() for _ in range(bench.setting.runs)])
    return found


def _speed(pictures: int, seconds: list[float]) -> dict[str, Any]:
    return {
        "pictures": pictures,
        "seconds": [round(s, 2) for s in seconds],
        "pictures_per_second": round(pictures / min(seconds), 3),
    }
