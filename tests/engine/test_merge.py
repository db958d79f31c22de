"""LoRAs of every layout are merged as their papers say: compared with numpy, and with diffusers where it reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTextModel

from sdbatch.engine.merge import merged
from sdbatch.models.lora.file import matched, read
from sdbatch.models.lora.layers import Layer
from sdbatch.models.lora.modules import Modules
from tests.models.lora_files import LAYOUTS, LINEAR, write

State = dict[str, torch.Tensor]
Layers = dict[tuple[str, str], Layer]


@pytest.fixture(scope="session")
def states(folder: Path) -> dict[str, State]:
    """The weights of the small model, by part."""
    return {part: load_file(next((folder / part).glob("*.safetensors"))) for part in ("unet", "text_encoder")}


@pytest.fixture(scope="session")
def modules(states: dict[str, State]) -> Modules:
    return modules_of(states)


def modules_of(states: dict[str, State]) -> Modules:
    return Modules.of(*({k: tuple(v.shape) for k, v in states[part].items()} for part in ("unet", "text_encoder")))


def of(layers: Layers, part: str) -> dict[str, Layer]:
    return {module: layer for (own, module), layer in layers.items() if own == part}


def weight(state: State, module: str) -> np.ndarray:
    key = next(k for k in state if k.removeprefix("text_model.") == f"{module}.weight")
    return state[key].double().numpy()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_merge_equals_numpys(layout: str, states: dict[str, State], modules: Modules, tmp_path: Path) -> None:
    expected = write(tmp_path / "a.safetensors", layout)
    layers = matched(read(tmp_path / "a.safetensors", "loras"), modules, "loras")
    assert layers.keys() == expected.keys()
    for part, state in states.items():
        found = merged(state, [(of(layers, part), 0.7)])
        for (own, module), merge in expected.items():
            if own == part:
                before = weight(state, module)
                wanted = before + 0.7 * (merge(before) - before)
                np.testing.assert_allclose(weight(found, module), wanted, rtol=0, atol=4e-6 * np.abs(wanted).max())
                assert np.abs(wanted - before).max() > 0.01
        changed = {k for k in state if found[k] is not state[k]}
        assert len(changed) == len(of(layers, part)), "all other tensors are shared"


def test_several_are_merged_one_after_the_other(states: dict[str, State], modules: Modules, tmp_path: Path) -> None:
    """DoRA scales what is there, so the order matters."""
    layers, merges = [], []
    for name, layout in (("a", "loha"), ("b", "dora_rows")):
        merges.append(write(tmp_path / f"{name}.safetensors", layout))
        layers.append(of(matched(read(tmp_path / f"{name}.safetensors", "loras"), modules, "loras"), "unet"))
    state = states["unet"]
    there = merged(state, [(layers[0], 1.0), (layers[1], 1.0)])
    back = merged(state, [(layers[1], 1.0), (layers[0], 1.0)])
    for target in merges[0]:
        if target[0] == "unet":
            before = weight(state, target[1])
            np.testing.assert_allclose(
                weight(there, target[1]), merges[1][target](merges[0][target](before)), atol=1e-4
            )
            np.testing.assert_allclose(weight(back, target[1]), merges[0][target](merges[1][target](before)), atol=1e-4)
            assert not torch.equal(there[f"{target[1]}.weight"], back[f"{target[1]}.weight"])


def test_a_strength_of_zero_changes_nothing(states: dict[str, State], modules: Modules, tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", "dora_columns")
    layers = matched(read(tmp_path / "a.safetensors", "loras"), modules, "loras")
    found = merged(states["unet"], [(of(layers, "unet"), 0.0)])
    assert all(found[k] is v for k, v in states["unet"].items())


def test_a_merge_is_in_fp32_also_for_weights_of_fp16(
    states: dict[str, State], modules: Modules, tmp_path: Path
) -> None:
    write(tmp_path / "a.safetensors", "kohya")
    layers = of(matched(read(tmp_path / "a.safetensors", "loras"), modules, "loras"), "unet")
    half = {k: v.half() for k, v in states["unet"].items()}
    found = merged(half, [(layers, 0.01), (layers, -0.01)])
    for module in layers:
        key = f"{module}.weight"
        assert found[key].dtype == torch.float32
        assert torch.equal(found[key].half(), half[key])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("layout", "parts"),
    [
        ("kohya", ("unet",)),  # of kohya's names diffusers 0.42 loses those of the text encoder, and DoRA's
        ("kohya_no_alpha", ("unet",)),
        ("diffusers", ("unet", "text_encoder")),
        ("diffusers_dora", ("unet",)),
    ],
)
def test_diffusers_fuses_the_same_weights(
    layout: str, parts: tuple[str, ...], folder: Path, states: dict[str, State], tmp_path: Path
) -> None:
    """``load_lora_weights`` and ``fuse_lora``, for the layouts that diffusers reads."""
    pipe = pipeline(folder)
    expected = write(tmp_path / "a.safetensors", layout, modules=LINEAR)
    layers = matched(read(tmp_path / "a.safetensors", "loras"), modules_of(states), "loras")
    pipe.load_lora_weights(str(tmp_path / "a.safetensors"))
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    for part in parts:
        state = states[part]
        fused = getattr(pipe, part).state_dict()
        found = merged(state, [(of(layers, part), 1.0)])
        for own, module in expected:
            if own == part:
                np.testing.assert_allclose(weight(found, module), weight(fused, module), atol=2e-6)


def pipeline(folder: Path) -> Any:
    return diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        tokenizer=None,
        unet=diffusers.UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
