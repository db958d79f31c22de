"""diffusers' pipelines with the same small weights: what whole pictures are compared with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from sdbatch.prompts.vocabulary import _merges, derive
from sdbatch.spec.renderer import Pixels
from tests.engine.models import CLIP
from tests.samplers.reference import SCHEDULERS, SD15

SAME = 45.0  # dB


def pipeline(folder: Path, words: Path) -> Any:
    """The text-to-image pipeline of the weights in ``folder``; ``words``: an empty folder."""
    (words / "merges.txt").write_text((CLIP / "merges.txt").read_text("utf-8"), "utf-8")
    (words / "vocab.json").write_text(json.dumps(derive(_merges(CLIP / "merges.txt"))), "utf-8")
    made = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(words, model_max_length=77),
        unet=diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False),
        scheduler=diffusers.PNDMScheduler.from_config(SD15),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def reference(pipe: Any, sampler: str, **call: Any) -> Pixels:
    """The usual way: swap the scheduler, call the pipeline with a CPU generator."""
    name, settings = SCHEDULERS[sampler]
    pipe.scheduler = getattr(diffusers, name).from_config(diffusers.PNDMScheduler.from_config(SD15).config, **settings)
    generator = torch.Generator().manual_seed(call.pop("seed"))
    return np.asarray(pipe(generator=generator, **call).images[0])
