"""Whole pictures equal StableDiffusionPipeline's: same weights, seed, sampler, guidance, in fp32."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.models.folders import digest_of
from sdbatch.prompts.syntax import condition
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.adapters import Lora
from sdbatch.spec.jobs import Model
from tests.engine.models import CLIP, psnr, render, shot, source
from tests.engine.pipelines import SAME, reference
from tests.models.lora_files import LINEAR, write
from tests.samplers.reference import SCHEDULERS, SD15

# diffusers' own schedulers call np.array(tensor), which numpy 2.4 deprecates; warnings of sdbatch are not silenced.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def test_every_sampler_is_compared() -> None:
    assert set(SCHEDULERS) == set(SAMPLERS)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_pictures_equal_the_pipelines(opened: Any, pipe: Any, sampler: str) -> None:
    shots = [shot(sampler=sampler, guidance=g, steps=6, prompt="red boat", negative="fog", seed=5) for g in (1.0, 6.0)]
    ours = render(opened, shots)
    for s in shots:
        call = {"prompt": s.prompt, "negative_prompt": s.negative, "num_inference_steps": s.steps, "seed": s.seed}
        theirs = reference(pipe, sampler, guidance_scale=s.guidance, width=64, height=64, **call)
        assert theirs.std() > 10
        assert psnr(ours[s.id].pixels, theirs) >= SAME


def test_guidance_changes_the_picture(opened: Any) -> None:
    low, high = (shot(guidance=g) for g in (1.0, 6.0))
    ours = render(opened, [low, high])
    assert psnr(ours[low.id].pixels, ours[high.id].pixels) < 30


def test_size_off_the_grid_is_the_middle_of_the_grid(opened: Any) -> None:
    whole, part = shot(width=72, height=64), shot(width=70, height=60)
    ours = render(opened, [whole, part])
    assert ours[part.id].pixels.shape == (60, 70, 3)
    assert np.array_equal(ours[part.id].pixels, ours[whole.id].pixels[2:62, 1:71])


def test_long_prompts_are_chunks_side_by_side(opened: Any, pipe: Any) -> None:
    """160 tokens: as the pipeline does when given the chunks' embeddings, negative padded with empty chunks."""
    s = shot(prompt=" ".join(["red boat under grey sky,"] * 27), negative="fog")
    chunks = condition(s.prompt, Vocabulary.load(CLIP), 75)
    assert len(chunks) == 3
    assert len(chunks.cuts) == 2
    empty = condition("", Vocabulary.load(CLIP), 75).ids
    negative = condition(s.negative, Vocabulary.load(CLIP), 75).ids + empty * 2
    with torch.no_grad():
        cond, uncond = (
            torch.cat([pipe.text_encoder(torch.tensor([i])).last_hidden_state for i in ids], 1)
            for ids in (chunks.ids, negative)
        )
    call = {"prompt_embeds": cond, "negative_prompt_embeds": uncond, "num_inference_steps": s.steps, "seed": s.seed}
    theirs = reference(pipe, s.sampler, guidance_scale=s.guidance, width=64, height=64, **call)
    assert psnr(render(opened, [s])[s.id].pixels, theirs) >= SAME


def test_image_to_image_equals_the_pipeline(opened: Any, pipe: Any) -> None:
    """A start at a later step from a stored picture (diffusers draws the encoder's sample; here it gets our mean)."""
    from sdbatch.spec.start import Start

    parent = shot(seed=9)
    child = shot(steps=8, sampler="dpmpp_2m", start=Start(parent.id, 0.5))
    ours = render(opened, [child, parent])
    image = ours[parent.id].pixels
    x = torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        z = pipe.vae.encode(x).latent_dist.mode() * pipe.vae.config.scaling_factor
    scheduler = diffusers.DPMSolverMultistepScheduler.from_config(SD15)
    pipe.scheduler = scheduler
    inner = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    inner.set_progress_bar_config(disable=True)
    theirs = inner(
        prompt=child.prompt,
        image=z,
        strength=0.5,
        num_inference_steps=8,
        guidance_scale=6.0,
        negative_prompt="",
        generator=torch.Generator().manual_seed(child.seed),
    ).images[0]
    assert psnr(ours[child.id].pixels, theirs) >= SAME


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_a_picture_with_a_lora_equals_the_pipelines(pipe: Any, folder: Path, tmp_path: Path) -> None:
    """``load_lora_weights`` and ``fuse_lora``, for the denoiser and the text encoder."""
    file = tmp_path / "a.safetensors"
    write(file, "diffusers", modules=LINEAR)
    theirs = copy.deepcopy(pipe)
    theirs.load_lora_weights(str(file))
    theirs.fuse_lora(lora_scale=0.7)
    theirs.unload_lora_weights()
    digest = digest_of(file)
    opened = engine.open(source(folder, adapters={digest: file}), Runtime(device="cpu", threads=1, rows=4))
    one = shot(model=Model("b2:test", loras=(Lora(digest, 0.7),)), sampler="euler", steps=6, negative="fog")
    call = {"prompt": one.prompt, "negative_prompt": one.negative, "num_inference_steps": 6, "guidance_scale": 6.0}
    size = {"width": 64, "height": 64, "seed": one.seed}
    (found,) = render(opened, [one]).values()
    assert psnr(found.pixels, reference(theirs, "euler", **call, **size)) >= 55
    assert psnr(found.pixels, reference(pipe, "euler", **call, **size)) < 30
