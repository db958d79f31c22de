"""The baseline: diffusers' StableDiffusionPipeline, as notebooks call it and in its fastest configuration."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from benchmarks import work
from sdbatch.engine.load import load
from sdbatch.models.source import Source
from sdbatch.spec.jobs import Shot

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
}


def open_pipeline(model: str, device: str, dtype: str, best: bool) -> Any:
    """The pipeline of a model by its kind. Sets nothing of torch's: see ``benchmarks.rival``."""
    source = work.source_of(model)
    tokenizer = CLIPTokenizer.from_pretrained(source.vocabulary, model_max_length=source.chunk + 2)
    return pipeline(source, torch.device(device), getattr(torch, dtype), tokenizer, best)


def compile_all(pipe: Any) -> None:
    """As diffusers' guide has it: the U-Net as one graph, and the VAE's decoder."""
    pipe.unet = torch.compile(pipe.unet, fullgraph=True)
    pipe.vae.decode = torch.compile(pipe.vae.decode, fullgraph=True)


def pipeline(source: Source, device: torch.device, dtype: torch.dtype, tokenizer: Any, best: bool) -> Any:
    """The pipeline on the same weights; ``best`` is channels_last."""
    parts = load(source, device, dtype, own=False)
    form = torch.channels_last if best else torch.contiguous_format
    scheduler = diffusers.PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    pipe = StableDiffusionPipeline(
        parts.vae.to(memory_format=form),
        parts.text,
        tokenizer,
        parts.denoiser.to(memory_format=form),
        scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def call(pipe: Any, shots: Sequence[Shot], base: Any) -> list[Any]:
    """One pipeline call for shots that differ in prompt and seed only."""
    first = shots[0]
    name, extra = SCHEDULERS[first.sampler]
    pipe.scheduler = getattr(diffusers, name).from_config(base, **extra)
    return list(
        pipe(
            [s.prompt for s in shots],
            negative_prompt=[s.negative for s in shots],
            width=first.width,
            height=first.height,
            num_inference_steps=first.steps,
            guidance_scale=first.guidance,
            generator=[torch.Generator().manual_seed(s.seed) for s in shots],
        ).images
    )


def one_by_one(pipe: Any, shots: Sequence[Shot]) -> float:
    """(a) The loop of the notebooks: one call a picture, Pillow's default PNG."""
    return _timed(pipe, [[s] for s in shots], lambda image, path: image.save(path))


def grouped(pipe: Any, shots: Sequence[Shot], batch: int) -> float:
    """(b) The largest batches that one call can legally hold, and Pillow's fast PNG."""
    groups: dict[Any, list[Shot]] = defaultdict(list)
    for s in shots:
        groups[s.width, s.height, s.sampler, s.steps, s.guidance].append(s)
    calls = [group[i : i + batch] for group in groups.values() for i in range(0, len(group), batch)]
    return _timed(pipe, calls, lambda image, path: image.save(path, compress_level=1))


def _timed(pipe: Any, calls: list[list[Shot]], save: Callable[[Any, Path], None]) -> float:
    base = pipe.scheduler.config
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for shots in calls:
            for shot, image in zip(shots, call(pipe, shots, base), strict=True):
                save(image, Path(folder) / f"{shot.id}.png")
        return time.perf_counter() - start
