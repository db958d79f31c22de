"""The shipped weights: small, safetensors only, loadable, and they paint what the prompt says."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from training import reader
from training.export import digest
from training.render import MODEL, load, render

PROMPTS = (
    ("anime scene, red torii gate, sea, sunset sky", "sunset", "torii"),
    ("red lighthouse, sea, night sky, stars", "night", "lighthouse"),
    ("cherry tree, mountains, dawn, petals", "dawn", "cherry"),
    ("a blue balloon in the desert by day", "day", "balloon"),
    ("pine tree, snow hills, night sky", "night", "pine"),
    ("anime scene, purple house, forest, day sky", "day", "house"),
)


def test_small_and_safetensors_only() -> None:
    files = [p for p in MODEL.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 32_000_000
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".txt", ".md"}
    for path in MODEL.rglob("*.safetensors"):
        with safe_open(str(path), framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                tensor = file.get_tensor(key)
                assert tensor.dtype in (torch.float16, torch.int64), (path, key)
                assert torch.isfinite(tensor.float()).all(), (path, key)


def test_record_matches_the_files() -> None:
    assert json.loads((MODEL / "digest.json").read_text(encoding="utf-8"))["sha256"] == digest(MODEL)
    card = (MODEL / "README.md").read_text(encoding="utf-8")
    assert digest(MODEL) in card
    assert "{{" not in card


def test_layout_is_that_of_stable_diffusion() -> None:
    index = json.loads((MODEL / "model_index.json").read_text(encoding="utf-8"))
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["unet"] == ["diffusers", "UNet2DConditionModel"]
    scheduler = json.loads((MODEL / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    assert scheduler["prediction_type"] == "epsilon"
    assert scheduler["beta_schedule"] == "scaled_linear"
    assert scheduler["steps_offset"] == 1
    for path in MODEL.rglob("*.json"):
        assert str(Path.home()) not in path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """The six prompts, rendered once in one batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = load()
        return render(pipe, [prompt for prompt, _, _ in PROMPTS], list(range(11, 17)), steps=20)


def test_sky_and_subject_are_what_the_prompts_say(pictures: list[np.ndarray]) -> None:
    seen = reader.read(reader.restore(), pictures)
    assert [s["sky"] for s in seen] == [sky for _, sky, _ in PROMPTS]
    assert [s["subject"] for s in seen] == [subject for _, _, subject in PROMPTS]


def test_pictures_are_pictures(pictures: list[np.ndarray]) -> None:
    for picture in pictures:
        assert picture.shape == (128, 128, 3)
        assert picture.std() > 20
