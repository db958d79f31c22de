"""Renders prompts with a model folder through diffusers' own pipeline, in batches, one seed per picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from transformers.utils import logging as transformers_logging

MODEL = Path(__file__).parents[1] / "src" / "sdbatch" / "models" / "tiny"
STEPS = 24
GUIDANCE = 5.0


def load(folder: Path = MODEL, device: str = "cpu") -> Any:
    """The pipeline with DPM++ 2M on Karras' noise levels."""
    diffusers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(
        pipe.scheduler.config, algorithm_type="dpmsolver++", solver_order=2, use_karras_sigmas=True
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.to(memory_format=torch.channels_last)
    return pipe.to(device)


def render(
    pipe: Any,
    prompts: Sequence[str],
    seeds: Sequence[int],
    *,
    size: tuple[int, int] = (128, 128),
    guidance: float = GUIDANCE,
    steps: int = STEPS,
    negative: str = "",
    batch: int = 16,
) -> list[np.ndarray]:
    """Render one picture (height, width, 3) per prompt and seed."""
    out: list[np.ndarray] = []
    for at in range(0, len(prompts), batch):
        texts = list(prompts[at : at + batch])
        noise = [torch.Generator().manual_seed(seed) for seed in seeds[at : at + batch]]
        result = pipe(
            texts,
            negative_prompt=[negative] * len(texts),
            width=size[0],
            height=size[1],
            guidance_scale=guidance,
            num_inference_steps=steps,
            generator=noise,
            output_type="np",
        )
        out += [(image * 255 + 0.5).clip(0, 255).astype(np.uint8) for image in result.images]
    return out


def sheet(pictures: Sequence[np.ndarray], columns: int, gap: int = 4) -> Image.Image:
    """The pictures in rows on white."""
    width = max(p.shape[1] for p in pictures) + gap
    height = max(p.shape[0] for p in pictures) + gap
    rows = -(-len(pictures) // columns)
    out = Image.new("RGB", (columns * width + gap, rows * height + gap), "white")
    for i, picture in enumerate(pictures):
        out.paste(Image.fromarray(picture), (gap + i % columns * width, gap + i // columns * height))
    return out
