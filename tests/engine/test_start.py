"""Shots that start from a picture, painted rings, and blends towards a second prompt and seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch.engine.denoise import InitLatent, Recipe, Wording, denoise, slerp
from sdbatch.imaging.colour_transfer import match_colours
from sdbatch.imaging.warp import coverage, warp
from sdbatch.spec import cost
from sdbatch.spec.jobs import PromptBlend
from sdbatch.spec.renderer import Picture
from sdbatch.spec.start import Camera, Start
from tests.engine.models import ListFeed, psnr, render, shot

CPU = torch.device("cpu")


def test_strength_decides_how_many_steps_are_left() -> None:
    found = [cost.first_step(20, s) for s in (1.0, 0.55, 0.3, 0.05, 0.001)]
    assert found == [0, 9, 14, 19, 19]
    assert cost.first_step(10, 0.7) == 3
    assert cost.rows(shot(steps=20, start=Start("j0", 0.25))) == 10


def test_a_weak_start_keeps_more_of_the_picture(opened: Any) -> None:
    parent = shot(steps=8)
    weak, strong = (shot(seed=2, steps=10, guidance=1.0, start=Start(parent.id, s)) for s in (0.1, 0.9))
    found = render(opened, [parent, weak, strong])
    seen = opened.main.vae  # what the VAE alone makes of the parent: the ceiling
    again = seen.decode([seen.encode(found[parent.id].pixels)], 1)[0].take()[0]
    near, far = (psnr(found[s.id].pixels, again) for s in (weak, strong))
    assert near > far + 1


def test_a_start_looks_through_the_camera_and_matches_colours(opened: Any) -> None:
    """A child of a warped and matched picture is the child of a picture that was warped and matched before."""
    parent, first = shot(seed=1), shot(seed=8, prompt="red boat")
    camera = Camera(zoom=1.5, x=0.1, roll=5)
    whole = shot(seed=2, start=Start(parent.id, 0.5, camera, colours=first.id))
    found = render(opened, [parent, first, whole])
    prepared = match_colours(warp(found[parent.id].pixels, camera, (64, 64)), found[first.id].pixels)
    plain = replace(whole, start=Start("jprepared", 0.5))
    feed = ListFeed([plain], opened.bucket)
    feed.pictures["jprepared"] = prepared
    (result,) = opened.render(feed)
    assert isinstance(result, Picture)
    assert np.array_equal(result.pixels, found[whole.id].pixels)


def test_painting_keeps_the_inside_and_fills_the_ring(opened: Any) -> None:
    parent = shot(steps=6)
    camera = Camera(zoom=0.5)
    child = shot(seed=3, steps=6, sampler="euler_a", start=Start(parent.id, 1.0, camera, paint=True))
    found = render(opened, [parent, child])
    inside, ring = found[child.id].pixels, found[child.id].pixels
    want = warp(found[parent.id].pixels, camera, (64, 64))
    assert np.array_equal(inside[22:42, 22:42], want[22:42, 22:42])
    assert psnr(ring[:12], want[:12]) < 30
    assert ring[:12].std() > 5


def test_painting_off_the_grid_has_the_exact_size(opened: Any) -> None:
    parent = shot(width=70, height=50)
    child = shot(width=70, height=50, seed=3, start=Start(parent.id, 0.8, Camera(zoom=0.6), paint=True))
    assert render(opened, [parent, child])[child.id].pixels.shape == (50, 70, 3)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m_sde", "euler_a", "lms"])
def test_known_latents_are_imposed_at_every_level_and_end_clean(sampler: str) -> None:
    """Where the mask is 0 the latent is α·known + σ·noise₀ before every evaluation, and exactly known at the end."""
    one = shot(sampler=sampler, steps=6, guidance=1.0, start=Start("j0", 1.0, paint=True))
    table = cost.table_of(one)
    known = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(5))
    mask = torch.zeros(1, 8, 8)
    mask[:, :, 4:] = 1
    first = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(one.seed))
    text = torch.zeros(77, 32)
    steps = denoise(Recipe(one, table, Wording((1.0,), ((text,),) * 6), (4, 8, 8), InitLatent(known, mask)), CPU)
    seen = [next(steps)[0].latent]
    for _ in range(table.evaluations - 1):
        seen.append(steps.send([torch.ones(4, 8, 8)])[0].latent)
    for e, latent in enumerate(seen[1:]):
        level = (known * float(table.alphas[e]) + first * float(table.sigmas[e])) * float(table.input_scale[e + 1])
        assert torch.allclose(latent[..., :4], level[..., :4], atol=1e-5)
        assert not torch.allclose(latent[..., 4:], level[..., 4:], atol=1e-1)
    with pytest.raises(StopIteration) as end:
        steps.send([torch.ones(4, 8, 8)])
    assert torch.equal(end.value.value[..., :4], known[..., :4])


def test_blending_starts_and_ends_at_the_shots_themselves(opened: Any) -> None:
    here, there = shot(prompt="red boat", seed=4), shot(prompt="a cat", negative="fog", seed=5)
    toward = PromptBlend(there.prompt, there.negative, there.seed, 0.0)
    blends = [replace(here, toward=replace(toward, amount=a)) for a in (0.0, 0.5, 1.0)]
    found = {key: r.pixels for key, r in render(opened, [here, there, *blends]).items()}
    assert np.array_equal(found[blends[0].id], found[here.id])
    assert np.array_equal(found[blends[2].id], found[there.id])
    assert psnr(found[blends[1].id], found[here.id]) < 30
    assert psnr(found[blends[1].id], found[there.id]) < 30


@pytest.mark.parametrize("sampler", ["euler_a", "lcm"])
def test_blending_blends_the_noise_of_every_evaluation(opened: Any, sampler: str) -> None:
    here, there = shot(sampler=sampler, seed=4), shot(sampler=sampler, seed=5)
    end = replace(here, toward=PromptBlend("a cat", "", 5, 1.0))
    found = {key: r.pixels for key, r in render(opened, [there, end]).items()}
    assert np.array_equal(found[end.id], found[there.id])


def test_slerp_keeps_the_length_of_noise() -> None:
    a, b = (torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    for amount in (0.25, 0.5, 0.9):
        assert float(slerp(a, b, amount).std()) == pytest.approx(1, abs=0.03)
    assert torch.allclose(slerp(a, a, 0.5), a)


def test_an_identity_camera_changes_nothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    assert warp(pixels, Camera(), (40, 30)) is pixels
    assert coverage(Camera(), (40, 30), (40, 30), 4).min() == 1


def test_the_camera_pans_right_and_down_zooms_in_and_rolls_clockwise() -> None:
    x, y = np.meshgrid(np.arange(80), np.arange(60))
    pixels = np.stack([x * 3, y * 4, np.zeros_like(x)], -1).astype(np.uint8)
    panned = warp(pixels, Camera(x=0.1, y=0.2), (80, 60))
    assert np.abs(panned[20:30, 20:30].astype(int) - pixels[32:42, 28:38]).max() <= 1
    near = warp(pixels, Camera(zoom=2.0), (80, 60)).astype(float)
    assert np.allclose(np.diff(near[30, 20:60, 0]), 1.5, atol=1)  # no stairs
    assert abs(near[:, :, 0].mean() - pixels[:, :, 0].mean()) < 1.5
    rolled = warp(pixels, Camera(roll=90), (60, 80)[::-1])
    assert rolled[30, 60, 1] > rolled[30, 20, 1]  # what was below is now right: the camera turned clockwise


def test_coverage_is_the_source_with_a_soft_seam() -> None:
    cover = coverage(Camera(zoom=0.5), (64, 64), (64, 64), 8)
    assert cover[:15].max() == 0
    assert cover[28:36, 28:36].min() == 1
    assert 0 < cover[32, 18] < cover[32, 20] < 1
    sideways = coverage(Camera(x=0.25), (64, 64), (64, 64), 8)
    assert sideways[:, 0].min() == 1  # this edge of the source is out of view: no seam
    assert sideways[:, -1].max() == 0


def test_colours_are_matched_in_mean_and_spread() -> None:
    rng = np.random.default_rng(1)
    dull = rng.normal(90, 20, (40, 40, 3)).clip(0, 255).astype(np.uint8)
    warm = (rng.normal(0, 30, (40, 40, 1)) + np.array([170, 120, 90])).clip(0, 255).astype(np.uint8)
    moved = match_colours(dull, warm)
    assert np.abs(moved.mean((0, 1)) - warm.mean((0, 1))).max() < 6
    assert np.abs(match_colours(dull, dull).astype(int) - dull).max() <= 1
