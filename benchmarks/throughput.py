"""Pictures on disk per second: sdbatch, (a) the plain loop, (b) diffusers at its best, (c) that and torch.compile."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import Any

import torch
from transformers import CLIPTokenizer

from benchmarks import reference, work
from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.models.locate import CLIP

BATCHES = {"cpu": (4, 16), "cuda": (8, 16, 32)}


def run(arguments: Namespace) -> dict[str, Any]:
    cuda = torch.cuda.is_available()
    count, steps = (12, 10) if arguments.quick else (48, 20) if not cuda else (96, 30)
    many = 20 if arguments.quick else arguments.mixed
    ours = engine.open(work.source_of(arguments.model), Runtime(compile=cuda))
    pipes = _pipes(arguments.model, cuda)
    out: dict[str, Any] = {"model": arguments.model, "profile": ours.profile.asdict()}
    for name, jobs in (
        ("uniform", work.uniform(arguments.model, count, steps)),
        ("mixed", work.mixed(arguments.model, many)),
    ):
        out[name] = _compare(jobs, ours, pipes, arguments.runs if name == "uniform" else max(1, arguments.runs - 1))
    ours.close()
    if cuda:
        exact = out["uniform"]["variants"]["sdbatch"]["pictures_per_second"]
        out["cost_of_exactness"] = _cost_of_exactness(arguments, work.uniform(arguments.model, count, steps), exact)
    return out


def _cost_of_exactness(arguments: Namespace, jobs: Any, exact: float) -> float:
    """The share of speed that runtime.exact=true costs. Last, because torch's settings belong to the process."""
    loose = engine.open(work.source_of(arguments.model), Runtime(compile=torch.cuda.is_available(), exact=False))
    variant = {"inexact": partial(work.to_disk, jobs, loose)}
    variant["inexact"]()
    speed = work.medians(arguments.runs, variant, len(jobs))["inexact"]["pictures_per_second"]
    loose.close()
    return round(1 - exact / speed, 3)


def _pipes(model: str, cuda: bool) -> dict[str, Any]:
    source = work.source_of(model)
    device, dtype = (torch.device("cuda"), torch.float16) if cuda else (torch.device("cpu"), torch.float32)
    folder = source.vocabulary if source.vocabulary != CLIP else CLIP
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=source.chunk + 2)
    pipes = {"plain": reference.pipeline(source, device, dtype, tokenizer, best=False)}
    pipes["best"] = reference.pipeline(source, device, dtype, tokenizer, best=True)
    if cuda:
        pipes["compiled"] = reference.pipeline(source, device, dtype, tokenizer, best=True)
        pipes["compiled"].unet = torch.compile(pipes["compiled"].unet, fullgraph=True)
    return pipes


def _compare(jobs: Any, ours: Any, pipes: dict[str, Any], runs: int) -> dict[str, Any]:
    shots = work.shots(jobs)
    batches = BATCHES["cuda" if torch.cuda.is_available() else "cpu"]
    tried = {b: reference.grouped(pipes["best"], shots[: 2 * max(batches)], b) for b in batches}
    batch = min(tried, key=lambda b: tried[b])
    variants = {
        "sdbatch": partial(work.to_disk, jobs, ours),
        "a: one call a picture": partial(reference.one_by_one, pipes["plain"], shots),
        "b: channels_last, batched": partial(reference.grouped, pipes["best"], shots, batch),
    }
    if "compiled" in pipes:
        variants["c: b and torch.compile"] = partial(reference.grouped, pipes["compiled"], shots, batch)
    for variant in variants.values() if torch.cuda.is_available() else ():
        variant()  # compiles every shape once: start-up is not what is compared
    ours.stats.reset_counts()
    found: dict[str, Any] = {"pictures": len(shots), "runs": runs, "best_batch": batch}
    found["variants"] = work.medians(runs, variants, len(shots))
    speed = {k: v["pictures_per_second"] for k, v in found["variants"].items()}
    found["ratios"] = {k: round(speed["sdbatch"] / v, 3) for k, v in speed.items() if k != "sdbatch"}
    stats = ours.stats.finish()
    found["rows_used_of_paid"] = round(stats.rows_used / stats.rows_paid, 4)
    return found
