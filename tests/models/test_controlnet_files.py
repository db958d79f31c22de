"""ControlNet files: both layouts, what fits a model, and what is wrong with others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sdbatch.config.model import ModelSettings
from sdbatch.engine import build
from sdbatch.engine.nets.controlnet import CHANNELS
from sdbatch.errors import ConfigError
from sdbatch.models import controlnet
from sdbatch.models.locate import locate
from sdbatch.models.source import SHIPPED, Source
from tests.config.building import ROOT, planned
from tests.engine.ldm import SMALL_UNET, unet_key

TINY_CANNY = SHIPPED / "controlnets/tiny-canny"
Shapes = dict[str, tuple[int, ...]]


def shapes(**changes: Any) -> Shapes:
    config = SMALL_UNET | {"_class_name": "ControlNetModel", CHANNELS: (16, 32, 96, 256)} | changes
    return {k: tuple(v.shape) for k, v in build.empty("controlnet", config).state_dict().items()}


def original(name: str) -> str:
    """The inverse of ``renamed``, written independently of it."""
    part, _, kind = name.rpartition(".")
    words = part.split(".")
    if words[0] == "controlnet_down_blocks":
        return f"zero_convs.{words[1]}.0.{kind}"
    if part == "controlnet_mid_block":
        return f"middle_block_out.0.{kind}"
    if words[0] == "controlnet_cond_embedding":
        places = {"conv_in": 0, "conv_out": 14}
        return f"input_hint_block.{places.get(words[1], 2 + 2 * int(words[-1]) if len(words) > 2 else 0)}.{kind}"
    return unet_key(name)


def save(path: Path, found: Mapping[str, tuple[int, ...]], prefix: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({prefix + k: np.zeros(s, np.float16) for k, s in found.items()}, path)
    return path


@pytest.fixture(scope="module")
def tiny() -> Source:
    return locate(ModelSettings(kind="tiny"))


@pytest.fixture(scope="module")
def canny() -> Shapes:
    return {k: v.shape for k, v in load_file(TINY_CANNY / "diffusion_pytorch_model.safetensors").items()}


def test_the_shipped_one_fits_the_embedded_model(tiny: Source) -> None:
    for path in (TINY_CANNY, TINY_CANNY / "diffusion_pytorch_model.safetensors"):
        found = controlnet.read(path, "net")
        assert found.name == "tiny-canny"
        assert controlnet.misfit(found, tiny, "net") == []
        assert controlnet.channels(found.shapes) == (16, 32, 64, 96)
    assert (TINY_CANNY / "diffusion_pytorch_model.safetensors").stat().st_size <= 6_000_000


@pytest.mark.parametrize("prefix", ["control_model.", ""])
def test_the_original_layout_has_the_same_names(tmp_path: Path, prefix: str) -> None:
    wanted = shapes()
    path = save(tmp_path / "control_sd15.safetensors", {original(k): s for k, s in wanted.items()}, prefix)
    found = controlnet.read(path, "net")
    assert found.shapes == wanted
    assert found.name == "control_sd15"
    marked = {original(k): n for n, k in enumerate(wanted)}
    assert controlnet.renamed({prefix + k: n for k, n in marked.items()}) == {k: n for n, k in enumerate(wanted)}


def test_another_architecture_is_named(tiny: Source, canny: Shapes, tmp_path: Path) -> None:
    def wrong(found: Shapes) -> str:
        (problem,) = controlnet.misfit(controlnet.read(save(tmp_path / "n.safetensors", found), "n"), tiny, "control")
        return str(problem)

    assert "'n' is a ControlNet for another architecture (it is for a network of 32 channels" in wrong(shapes())
    large = {"block_out_channels": (320, 64, 64, 64), "attention_head_dim": 8}
    assert "(it is for Stable Diffusion 1, and the model is" in wrong(shapes(**large | {"cross_attention_dim": 768}))
    assert "(it is for Stable Diffusion 2, and the model is" in wrong(shapes(**large | {"cross_attention_dim": 1024}))
    assert "1 tensors differ: conv_in.bias" in wrong(canny | {"conv_in.bias": (7,)})
    assert "down_blocks.9.x" in wrong(canny | {"down_blocks.9.x": (7,)})
    half = {k: s for k, s in canny.items() if "controlnet_down_blocks.3" not in k}
    assert "controlnet_down_blocks.3.weight is missing or of another shape (is the file complete?)" in wrong(half)
    few = {k: s for k, s in canny.items() if ".blocks.4." not in k and ".blocks.5." not in k}
    few["controlnet_cond_embedding.conv_out.weight"] = (48, 64, 3, 3)
    assert "reads pictures at another scale than the model's" in wrong(few)


def test_nets_for_stable_diffusion_2_are_refused(tiny: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their transformers have linear layers where convolutions of one pixel are here."""
    linear = {k: s[:2] if k.endswith("proj_in.weight") else s for k, s in shapes().items()}
    monkeypatch.setattr(controlnet, "denoiser", lambda _: linear)
    found = controlnet.read(save(tmp_path / "v2.safetensors", linear), "net")
    (problem,) = controlnet.misfit(found, tiny, "net")
    assert str(problem) == "net: 'v2': ControlNets for Stable Diffusion 2 are not supported"


def test_inpainting_models_take_ordinary_nets(
    tiny: Source, canny: Shapes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mask and the picture under it are shown to the denoiser only."""
    wide = dict(controlnet.denoiser(tiny) or {}) | {"conv_in.weight": (48, 9, 3, 3)}
    monkeypatch.setattr(controlnet, "denoiser", lambda _: wide)
    found = controlnet.read(save(tmp_path / "n.safetensors", canny), "net")
    assert controlnet.misfit(found, tiny, "net") == []


def test_it_was_judged_to_follow_the_edges_given() -> None:
    """These weights, on scenes that the training did not see: far better than edges of other scenes are followed."""
    found = json.loads((ROOT / "training/controlnet.json").read_text("utf-8"))
    weights = (TINY_CANNY / "diffusion_pytorch_model.safetensors").read_bytes()
    assert found["sha256"] == sha256(weights).hexdigest()
    for captions in ("captions of the scenes", "captions of other scenes"):
        own, shuffled = found[captions]["own edges"]["f1"], found[captions]["shuffled edges"]["f1"]
        assert own > 1.7 * shuffled
        assert own > 1.4 * found["without control"]["f1"]
        assert f"{own:.2f}" in (TINY_CANNY / "README.md").read_text("utf-8")


def test_other_files_are_refused(canny: Shapes, tmp_path: Path) -> None:
    def wrong(path: Path) -> str:
        with pytest.raises(ConfigError) as error:
            controlnet.read(path, "control[0].net")
        return str(error.value)

    pickle = tmp_path / "a.pth"
    pickle.write_bytes(b"\x80\x04")
    assert "control[0].net: 'a.pth' is a pickle file, which can run code" in wrong(pickle)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((TINY_CANNY / "diffusion_pytorch_model.safetensors").read_bytes()[:100_000])
    assert "is not a valid safetensors file" in wrong(cut)
    kinds = {
        "lora_controlnet": "is a Control-LoRA",
        "adapter.body.0.weight": "is a T2I-Adapter",
        "controlnet_blocks.0.weight": "is a ControlNet for a transformer model",
        "lora_unet_down.alpha": "is a LoRA",
        "model.diffusion_model.out.0.weight": "is a model",
        "something": "is not a ControlNet",
    }
    for name, said in kinds.items():
        assert said in wrong(save(tmp_path / "other.safetensors", {name: (1,)}))
    empty = tmp_path / "bins"
    empty.mkdir()
    assert "the folder 'bins' has no .safetensors file" in wrong(empty)
    (empty / "diffusion_pytorch_model.bin").write_bytes(b"")
    assert "the folder 'bins' has only a pickle file" in wrong(empty)
    save(empty / "diffusion_pytorch_model.safetensors", canny)
    for config, said in (
        ({"_class_name": "UNet2DConditionModel"}, "is not a ControlNet"),
        ({"global_pool_conditions": True}, "in a way that is not supported"),
        ([], "is not a ControlNet"),
    ):
        (empty / "config.json").write_text(json.dumps(config))
        assert said in wrong(empty)
    (empty / "config.json").write_text("{")
    assert "bins/config.json cannot be read" in wrong(empty)


@pytest.mark.parametrize(
    ("key", "entry"),
    [("loras", "ink"), ("control", {"net": "tiny-canny", "image": str(ROOT / "conf/experiment/controlled.png")})],
)
def test_what_the_package_has_for_another_model_says_which(key: str, entry: object) -> None:
    with pytest.raises(ConfigError, match=r"it is included for model=tiny"):
        planned({"prompts": ["a sea"], "model": {"kind": "small"}, key: [entry]})
