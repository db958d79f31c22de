"""Shots that start from users' pictures: equal to diffusers' pipelines, and to themselves in any company."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine.decode import Vae
from sdbatch.imaging.enlarge import lanczos
from sdbatch.motion.passes import passed
from sdbatch.pictures.masks import filled
from sdbatch.pictures.read import read
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.jobs import Shot
from sdbatch.spec.passes import LATENT, Pass, Upscaler
from sdbatch.spec.pictures import Area, Follow, Init, InputPicture, Mask, Sides
from sdbatch.spec.renderer import Pixels
from sdbatch.spec.start import Start
from tests.engine.models import UNET, psnr, render, save, shot, source
from tests.engine.pipelines import SAME, pipeline, reference

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


def encoded(pipe: Any, pixels: NDArray[Any]) -> torch.Tensor:
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
    before = (opened.stats.calls, opened.stats.vae_used)
    ours = render(opened, [still, resized])
    assert np.array_equal(ours[still.id].pixels, painting())
    assert ours[resized.id].pixels.shape == (64, 64, 3)
    assert (opened.stats.calls, opened.stats.vae_used) == before


@pytest.mark.parametrize("sampler", ["dpmpp_2m_karras", "euler_a"])
def test_the_bits_do_not_depend_on_company(opened: Any, photo: InputPicture, sampler: str) -> None:
    shots = [shot(sampler=sampler, seed=n, init=Init(photo, s)) for n in (1, 2) for s in (0.3, 0.8)]
    others = [shot(seed=n, steps=3, sampler=sampler) for n in range(3)]
    together = render(opened, [others[0], *shots[::-1], *others[1:]])
    for s in shots:
        assert np.array_equal(render(opened, [s])[s.id].pixels, together[s.id].pixels)


def test_a_picture_is_encoded_once(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[tuple[int, ...]] = []
    real = Vae._latent
    monkeypatch.setattr(Vae, "_latent", lambda self, pixels: encoded.append(pixels.shape) or real(self, pixels))
    Image.fromarray(painting()[::-1]).save(tmp_path / "other.png")
    photo = read(tmp_path / "other.png")
    ours = render(opened, [shot(seed=n, init=Init(photo, s)) for n in (1, 2) for s in (0.3, 0.6, 0.9)])
    assert len(ours) == 6
    assert encoded == [(64, 64, 3)]


def test_a_chain_begins_at_a_users_picture(opened: Any, photo: InputPicture) -> None:
    """The shot after an unchanged picture is what image to image makes of it."""
    first, direct = shot(init=Init(photo, 0.0)), shot(init=Init(photo, 0.5))
    child = first.starting(Start(first.id, 0.5))
    ours = render(opened, [child, direct, first])
    assert child.init is None
    assert np.array_equal(ours[child.id].pixels, ours[direct.id].pixels)


def test_a_frame_of_a_video_is_mixed_into_the_picture_before(opened: Any, photo: InputPicture) -> None:
    """With all of it, it is what image to image makes of the frame; bits do not depend on company."""
    first, direct = shot(seed=4), shot(init=Init(photo, 0.5))
    whole, half = (shot().starting(Start(first.id, 0.5, follow=Follow(photo, share))) for share in (1.0, 0.5))
    ours = render(opened, [whole, direct, half, first, shot(seed=9)])
    assert np.array_equal(ours[whole.id].pixels, ours[direct.id].pixels)
    assert not np.array_equal(ours[half.id].pixels, ours[direct.id].pixels)
    assert np.array_equal(render(opened, [first, half])[half.id].pixels, ours[half.id].pixels)


def test_a_picture_that_has_gone_fails_its_shots_alone(opened: Any, photo: InputPicture) -> None:
    lost = shot(init=Init(InputPicture("b2:" + "0" * 32, photo.path), 0.5))
    ours = render(opened, [lost, shot()])
    assert "has been changed since this run began" in getattr(ours[lost.id], "error", "")
    assert ours[shot().id].pixels.shape == (64, 64, 3)


HOLE = np.zeros((64, 64), np.uint8)
HOLE[16:40, 24:56] = 255  # whole cells of the latent


@pytest.fixture(scope="module")
def mask(tmp_path_factory: pytest.TempPathFactory) -> InputPicture:
    path = tmp_path_factory.mktemp("masks") / "mask.png"
    Image.fromarray(HOLE).save(path)
    return read(path)


def test_mixed_inpainting_equals_the_pipeline(opened: Any, pipe: Any, photo: InputPicture, mask: InputPicture) -> None:
    """Every sampler, in one run with other shots. Outside of the mask ours is the photo.

    Pure noise is what the pipeline begins with at strength 1. At others its PNDM blends with the noise of a wrong step.
    """
    hard = Mask(mask, blur=0)
    part, whole = Init(photo, 0.6, mask=hard), Init(photo, 1.0, mask=replace(hard, content="nothing"))
    inits = [(sampler, whole if sampler == "pndm" else part) for sampler in SAMPLERS]
    inits += [("ddim", whole), ("euler_a", whole)]
    shots = [shot(sampler=sampler, steps=6, seed=n, init=init) for n, (sampler, init) in enumerate(inits)]
    ours = render(opened, [*shots, shot(), shot(init=Init(photo, 0.6))])
    z = encoded(pipe, painting())
    inside = HOLE > 0
    for s in shots:
        assert s.init is not None
        more = {"image": z, "masked_image_latents": z, "mask_image": Image.fromarray(HOLE), "height": 64, "width": 64}
        same = theirs(pipe, "StableDiffusionInpaintPipeline", s, strength=s.init.strength, **more)
        assert psnr(ours[s.id].pixels[inside], same[inside]) >= SAME, s.sampler
        assert np.array_equal(ours[s.id].pixels[~inside], painting()[~inside])
        assert psnr(ours[s.id].pixels[inside], painting()[inside]) < 30


def test_fill_begins_with_the_colours_around(
    opened: Any, photo: InputPicture, mask: InputPicture, tmp_path: Path
) -> None:
    """As if the picture had been filled before."""
    hard = Mask(mask, 0.0, content="fill")
    Image.fromarray(filled(painting(), HOLE)).save(tmp_path / "filled.png")
    before = Init(read(tmp_path / "filled.png"), 0.7, mask=replace(hard, content="original"))
    ours, same = shot(init=Init(photo, 0.7, mask=hard)), shot(init=before)
    found = render(opened, [ours, same])
    inside = HOLE > 0
    assert np.array_equal(found[ours.id].pixels[inside], found[same.id].pixels[inside])
    assert np.array_equal(found[ours.id].pixels[~inside], painting()[~inside])
    plain = shot(init=Init(photo, 0.7, mask=Mask(mask, 0)))
    assert not np.array_equal(render(opened, [plain])[plain.id].pixels[inside], found[ours.id].pixels[inside])


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "euler_a"])
def test_masked_shots_do_not_depend_on_company(
    opened: Any, photo: InputPicture, mask: InputPicture, sampler: str
) -> None:
    area = Area(16, 8, 64, 56, 96, 96)
    masks = (
        Mask(mask),
        Mask(mask, area=area, content="fill"),
        Mask(mask, invert=True, content="nothing"),
        Mask(mask, area=area),
    )
    shots = [shot(sampler=sampler, init=Init(photo, 0.7, mask=each)) for each in masks]
    shots.append(shot(sampler=sampler, width=96, init=Init(photo, 0.7, "none", Sides(right=32), Mask())))
    together = render(opened, [shot(), *shots[::-1], shot(init=Init(photo, 0.7), sampler=sampler)])
    for s in shots:
        assert np.array_equal(render(opened, [s])[s.id].pixels, together[s.id].pixels)


def test_only_the_mask_and_its_soft_edge_change(opened: Any, photo: InputPicture, mask: InputPicture) -> None:
    around = np.zeros((64, 64), bool)
    around[16 - 12 : 40 + 12, 24 - 12 : 56 + 12] = True  # four standard deviations
    for each in (Mask(mask, blur=3), Mask(mask, blur=3, area=Area(8, 4, 64, 60, 64, 64))):
        soft = shot(init=Init(photo, 0.9, mask=each))
        found = render(opened, [soft])[soft.id].pixels
        assert np.array_equal(found[~around], painting()[~around])
        assert (found[HOLE > 0] != painting()[HOLE > 0]).mean() > 0.9
    inverse = shot(init=Init(photo, 0.9, mask=Mask(mask, blur=0, invert=True)))
    found = render(opened, [inverse])[inverse.id].pixels
    assert np.array_equal(found[HOLE > 0], painting()[HOLE > 0])
    assert (found[HOLE == 0] != painting()[HOLE == 0]).mean() > 0.9


def test_a_second_pass_changes_only_the_mask(opened: Any, photo: InputPicture, mask: InputPicture) -> None:
    """Outside of the edge, which is wider by the scale, it is the enlarged first picture, bit for bit."""
    around = np.zeros((96, 96), bool)
    around[24 - 18 : 60 + 18, 36 - 18 : 84 + 12] = True  # four standard deviations of 4.5
    first = shot(init=Init(photo, 0.8, mask=Mask(mask, blur=3)))
    (second,) = passed(first, (Pass(1.5, 0.7, 4),))
    assert second.start
    assert second.start.within
    assert second.start.within.mask == Mask(mask, blur=4.5)
    plain = next(passed(replace(first, init=None), (Pass(1.5, 0.7, 4),)))
    ours = render(opened, [shot(seed=3), second, first, plain, replace(first, init=None)])
    large = lanczos(ours[first.id].pixels, (96, 96))
    assert np.array_equal(ours[second.id].pixels[~around], large[~around])
    assert psnr(ours[second.id].pixels[30:54, 42:78], large[30:54, 42:78]) < 35
    assert np.array_equal(render(opened, [first, second])[second.id].pixels, ours[second.id].pixels)


def test_a_picture_is_widened_and_keeps_its_own_part(opened: Any, photo: InputPicture) -> None:
    wide = shot(width=96, height=72, init=Init(photo, 1.0, "none", Sides(left=32, bottom=8), Mask(blur=0)))
    found = render(opened, [wide])[wide.id].pixels
    assert np.array_equal(found[:64, 32:], painting())
    assert found[:, :32].std() > 10


@pytest.fixture(scope="module")
def inpainter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """An engine and a pipeline of a checkpoint whose denoiser sees the mask and what is kept."""
    folder = save(tmp_path_factory.mktemp("nine"), unet=UNET | {"in_channels": 9})
    made = engine.open(source(folder), Runtime(device="cpu", threads=1, rows=4))
    return made, pipeline(folder, tmp_path_factory.mktemp("words"))


def test_inpainting_checkpoints_equal_the_pipeline(
    inpainter: tuple[Any, Any], photo: InputPicture, mask: InputPicture
) -> None:
    """Masked shots of several samplers and a shot from noise in one run, each with its own mask or none."""
    opened, pipe = inpainter
    whole, part = (Init(photo, s, mask=Mask(mask, 0, content="nothing" if s == 1 else "original")) for s in (1.0, 0.7))
    inits = [("ddim", whole), ("euler_a", part), ("dpmpp_2m_karras", part), ("lms", whole)]
    shots = [shot(sampler=sampler, steps=6, seed=n, init=init) for n, (sampler, init) in enumerate(inits)]
    ours = render(opened, [shot(), *shots])
    inside = HOLE > 0
    kept = painting().astype(np.float32)
    kept[inside] = 127.5
    for s in shots:
        assert s.init is not None
        more: dict[str, Any] = {"image": encoded(pipe, painting()), "masked_image_latents": encoded(pipe, kept)}
        more |= {"mask_image": Image.fromarray(HOLE), "height": 64, "width": 64, "strength": s.init.strength}
        same = theirs(pipe, "StableDiffusionInpaintPipeline", s, **more)
        assert psnr(ours[s.id].pixels[inside], same[inside]) >= SAME, s.sampler
        assert np.array_equal(ours[s.id].pixels[~inside], painting()[~inside])
        assert np.array_equal(render(opened, [s])[s.id].pixels, ours[s.id].pixels)
    assert ours[shot().id].pixels.std() > 5


def test_inpainting_checkpoints_render_a_second_pass_over_the_latent(inpainter: tuple[Any, Any]) -> None:
    """The denoiser sees nothing of the first picture, as with other upscalers."""
    opened, _ = inpainter
    first = shot(steps=2)
    (second,) = passed(first, (Pass(1.5, 0.5, 2, Upscaler(LATENT)),))
    ours = render(opened, [second, shot(seed=2), first])
    assert getattr(ours[second.id], "error", "") == ""
    assert ours[second.id].pixels.shape == (96, 96, 3)
    assert np.array_equal(render(opened, [first, second])[second.id].pixels, ours[second.id].pixels)
