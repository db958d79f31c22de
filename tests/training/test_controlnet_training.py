"""The training of the shipped ControlNet: it begins by changing nothing, and learns from what is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdbatch.imaging.preprocess import canny
from training.control_judge import followed
from training.controlnet import HEARD, RECIPE, begin, denoiser, export, train
from training.latents import Shelf, scene_of
from training.painter import paint
from training.scene import draw_scene

pytestmark = pytest.mark.usefixtures("training_settings")


def test_it_begins_by_changing_nothing() -> None:
    unet, config, state = denoiser()
    net = begin(config, state)
    x, text, time = torch.randn(1, 4, 16, 16), torch.randn(1, 32, 128), torch.tensor([500.0])
    edges = torch.from_numpy(canny(paint(draw_scene(40, "1:1")))).movedim(-1, 0)[None].float() / 255
    with torch.no_grad():
        embedded = net.embed(edges)
        residuals = net(x, time, text, embedded)
        assert not any(r.any() for r in residuals)
        assert torch.equal(unet(x, time, text, residuals=residuals)[0], unet(x, time, text)[0])
    assert HEARD / 3 < embedded.std() < HEARD * 3


def test_edges_are_followed_within_a_pixel() -> None:
    scenes = [paint(draw_scene(seed, "1:1")) for seed in (1, 2)]
    edges = [canny(scene) for scene in scenes]
    assert followed(scenes, edges)["f1"] == 1
    assert followed([np.roll(scene, 1, 0) for scene in scenes], edges)["f1"] > 0.9
    assert followed(scenes, edges[::-1])["f1"] < 0.5


def test_a_few_steps_are_kept_and_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf.__new__(Shelf)
    shelf.scenes = {"1:1": [scene_of(seed, 0) for seed in range(4)]}
    shelf.stacked = {"1:1": torch.randn(4, 4, 16, 16)}
    shelf.ratios, shelf.shares = ["1:1"], np.array([1.0])
    said: list[str] = []
    for steps in (1, 2):
        train(tmp_path, replace(RECIPE, steps=steps, batch=2, keep_every=1), shelf, said.append)
    assert "controlnet: continues at step 1" in said
    digest = export(tmp_path, tmp_path / "net")
    assert len(digest) == 64
    assert (tmp_path / "net/diffusion_pytorch_model.safetensors").stat().st_size < 6_000_000
