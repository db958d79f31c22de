"""Shots that start from users' pictures: equal to diffusers' pipelines, and to themselves in any company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from sdbatch.pictures.read import read
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.jobs import Shot, Start
from sdbatch.spec.pictures import Init, InputPicture
from sdbatch.spec.renderer import Pixels
from tests.engine.models import psnr, render, shot
from tests.engine.pipelines import SAME, reference

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

STRENGTHS = (0.35, 0.75, 1.0)


def painting(width: int = 64, height: int = 64) -> Pixels:
    y, x = np.mgrid[:height, :width]
    found: Pixels = np.stack([x * 255 // width, y * 255 // height, (x * y) % 256], 2).astype(np.uint8)
    return found


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> InputPicture:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    Image.fromarray(painting()).save(path)
    return read(path)


def encoded(pipe: Any, pixels: Pixels) -> torch.Tensor:
    """The latent that diffusers gets: our mean, where it would draw a sample."""
    x = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        found: torch.Tensor = pipe.vae.encode(x).latent_dist.mode() * pipe.vae.config.scaling_factor
    return found


def theirs(pipe: Any, kind: str, s: Shot, **call: Any) -> Pixels:
    made = getattr(diffusers, kind)(**pipe.components, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    more = {"prompt": s.prompt, "negative_prompt": s.negative, "num_inference_steps": s.steps, "seed": s.seed}
    return reference(made, s.sampler, guidance_scale=s.guidance, **more, **call)


def test_mixed_image_to_image_equals_the_pipeline(opened: Any, pipe: Any, photo: InputPicture) -> None:
    """Every sampler, one of them at all strengths, in one run with shots from noise."""
    pairs = dict.fromkeys([*zip(SAMPLERS, STRENGTHS * 4, strict=True), *(("euler_a", s) for s in STRENGTHS)])
    shots = [
        shot(sampler=sampler, steps=6, seed=n, negative="fog", init=Init(photo, strength))
        for n, (sampler, strength) in enumerate(pairs)
    ]
    ours = render(opened, [*shots, shot(), shot(seed=2, sampler="ddim")])
    z = encoded(pipe, painting())
    for s in shots:
        assert s.init is not None
        same = theirs(pipe, "StableDiffusionImg2ImgPipeline", s, image=z, strength=s.init.strength)
        assert psnr(ours[s.id].pixels, same) >= SAME, (s.sampler, s.init.strength)
        assert psnr(ours[s.id].pixels, painting()) < 40


def test_strength_0_is_the_picture_and_needs_no_call(opened: Any, photo: InputPicture, tmp_path: Path) -> None:
    Image.fromarray(painting(100, 60)).save(tmp_path / "wide.png")
    still, resized = (shot(init=Init(p, 0.0)) for p in (photo, read(tmp_path / "wide.png")))
    before = (opened.stats.calls, opened.stats.pictures)
    ours = render(opened, [still, resized])
    assert np.array_equal(ours[still.id].pixels, painting())
    assert ours[resized.id].pixels.shape == (64, 64, 3)
    assert (opened.stats.calls, opened.stats.pictures) == before


@pytest.mark.parametrize("sampler", ["dpmpp_2m_karras", "euler_a"])
def test_the_bits_do_not_depend_on_company(opened: Any, photo: InputPicture, sampler: str) -> None:
    shots = [shot(sampler=sampler, seed=n, init=Init(photo, s)) for n in (1, 2) for s in (0.3, 0.8)]
    others = [shot(seed=n, steps=3, sampler=sampler) for n in range(3)]
    together = render(opened, [others[0], *shots[::-1], *others[1:]])
    for s in shots:
        assert np.array_equal(render(opened, [s])[s.id].pixels, together[s.id].pixels)


def test_a_chain_begins_at_a_users_picture(opened: Any, photo: InputPicture) -> None:
    """The shot after an unchanged picture is what image to image makes of it."""
    first, direct = shot(init=Init(photo, 0.0)), shot(init=Init(photo, 0.5))
    child = first.starting(Start(first.id, 0.5))
    ours = render(opened, [child, direct, first])
    assert child.init is None
    assert np.array_equal(ours[child.id].pixels, ours[direct.id].pixels)


def test_a_picture_that_has_gone_fails_its_shots_alone(opened: Any, photo: InputPicture) -> None:
    lost = shot(init=Init(InputPicture("b2:" + "0" * 32, photo.path), 0.5))
    ours = render(opened, [lost, shot()])
    assert "has been changed since this run began" in getattr(ours[lost.id], "error", "")
    assert ours[shot().id].pixels.shape == (64, 64, 3)
