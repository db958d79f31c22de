"""LoRA files are read without torch: names and alphas of every layout, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdbatch.errors import ConfigError
from sdbatch.models.lora.file import matched, read
from sdbatch.models.lora.modules import Modules
from sdbatch.models.tensors import header, short_hash
from tests.models.lora_files import CONV, KERNELS, LAYOUTS, LINEAR, PROJ, Q, numbers, write

SHAPES = {f"{module}.weight": shape for module, shape in {**LINEAR, **KERNELS}.items()}
MODULES = Modules.of(
    {k: s for k, s in SHAPES.items() if not k.startswith("text_model")},
    {k: s for k, s in SHAPES.items() if k.startswith("text_model")},
)
FLAT = "lora_unet_" + Q.replace(".", "_")


def saved(path: Path, changes: dict[str, np.ndarray | None] | None = None, **texts: str) -> Path:
    """A good file in kohya's layout with ``changes``; None removes a tensor."""
    tensors: dict[str, np.ndarray | None] = {
        f"{FLAT}.lora_down.weight": numbers(4, 32),
        f"{FLAT}.lora_up.weight": numbers(32, 4),
        f"{FLAT}.alpha": np.array(2.0, np.float32),
    }
    tensors |= changes or {}
    save_file({k: v for k, v in tensors.items() if v is not None}, path, texts or None)
    return path


def refusal(path: Path, modules: Modules = MODULES) -> str:
    with pytest.raises(ConfigError) as caught:
        matched(read(path, "loras[0].path"), modules, "loras[0].path")
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ink.safetensors"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layer_of_every_layout_finds_its_module(layout, file):
    expected = write(file, layout)
    assert matched(read(file, "loras"), MODULES, "loras").keys() == expected.keys()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("lora_unet_input_blocks_1_1_proj_in", PROJ),
        ("lora_unet_input_blocks_1_0_in_layers_2", CONV),
        ("model.diffusion_model.input_blocks.1.0.in_layers.2", CONV),
        ("diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q", Q),
        (f"lycoris_{CONV.replace('.', '_')}", CONV),
        (f"unet.{Q}", Q),
        ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", "encoder.layers.0.self_attn.q_proj"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", "encoder.layers.0.self_attn.q_proj"),
    ],
)
def test_names_of_other_programs(name, module):
    assert MODULES.names[name][1] == module


def test_the_first_names_of_diffusers(file):
    save_file(
        {
            f"unet.{Q.removesuffix('.to_q')}.processor.to_q_lora.down.weight": numbers(4, 32),
            f"unet.{Q.removesuffix('.to_q')}.processor.to_q_lora.up.weight": numbers(32, 4),
            "text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.down.weight": numbers(4, 32),
            "text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.up.weight": numbers(32, 4),
        },
        file,
    )
    found = matched(read(file, "loras"), MODULES, "loras")
    assert found.keys() == {("unet", Q), ("text_encoder", "encoder.layers.0.self_attn.q_proj")}


def test_alpha_is_a_scale_by_rank(file):
    assert read(saved(file), "loras").layers[FLAT].scale == 0.5
    assert read(saved(file, {f"{FLAT}.alpha": None}), "loras").layers[FLAT].scale == 1.0


def test_diffusers_states_alphas_in_the_header(file):
    stated = {"unet.lora_alpha": 8, "unet.r": 4, "unet.alpha_pattern": {"attn1.to_q": 2}, "unet.use_rslora": False}
    parts = {f"unet.{Q}.lora_A.weight": numbers(4, 32), f"unet.{Q}.lora_B.weight": numbers(32, 4)}
    parts |= {f"unet.{PROJ}.lora_A.weight": numbers(4, 32, 1, 1), f"unet.{PROJ}.lora_B.weight": numbers(32, 4, 1, 1)}
    save_file(parts, file, {"lora_adapter_metadata": json.dumps(stated)})
    scales = {name: layer.scale for name, layer in read(file, "loras").layers.items()}
    assert scales == {f"unet.{Q}": 0.5, f"unet.{PROJ}": 2.0}
    save_file(parts, file, {"lora_adapter_metadata": json.dumps(stated | {"unet.use_rslora": True})})
    assert read(file, "loras").layers[f"unet.{PROJ}"].scale == 4.0


def test_peft_states_alphas_beside_the_file(tmp_path):
    file = tmp_path / "adapter_model.safetensors"
    save_file(
        {f"base_model.model.{Q}.lora_A.weight": numbers(4, 32), f"base_model.model.{Q}.lora_B.weight": numbers(32, 4)},
        file,
    )
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 6, "alpha_pattern": {}}))
    assert read(file, "loras").layers[Q].scale == 1.5


def test_bfloat16_is_read(file):
    values = numbers(4, 32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    up = numbers(32, 4)
    entries = {
        f"{FLAT}.lora_down.weight": {"dtype": "BF16", "shape": [4, 32], "data_offsets": [0, 256]},
        f"{FLAT}.lora_up.weight": {"dtype": "F32", "shape": [32, 4], "data_offsets": [256, 768]},
    }
    head = json.dumps(entries).encode()
    file.write_bytes(len(head).to_bytes(8, "little") + head + bits.tobytes() + up.tobytes())
    layer = read(file, "loras").layers[FLAT]
    down = layer.parts["down"].read("loras")
    np.testing.assert_allclose(down, values, rtol=2**-7)
    assert down.dtype == np.float32


def test_a_file_that_is_read_keeps_no_numbers(file):
    """A plan of many LoRAs costs no memory; a file that changes between plan and merge is no other LoRA."""
    kept = read(saved(file), "loras").layers[FLAT].parts["down"]
    np.testing.assert_array_equal(kept.read("loras"), numbers(4, 32))
    saved(file, {"more.alpha": numbers(1)})
    with pytest.raises(ConfigError, match=r"ink.safetensors' was changed during the run"):
        kept.read("loras")


# ---- what is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({f"{FLAT}.oft_blocks": numbers(4, 4)}, [f"{FLAT}.oft_blocks is not understood"]),
        ({f"{FLAT}.lora_down.weight": np.full((4, 32), np.nan, np.float32)}, ["lora_down.weight is not finite", "NaN"]),
        ({f"{FLAT}.lora_up.weight": numbers(32, 8)}, ["the ranks differ", "down[0] has 4", "up[1] has 8"]),
        ({f"{FLAT}.lora_up.weight": None}, [FLAT, "up is missing"]),
        ({f"{FLAT}.hada_w1_a": numbers(4, 4)}, ["parts of several kinds"]),
        ({f"{FLAT}.lora_mid.weight": numbers(4, 4)}, ["mid is not a kernel"]),
        ({f"{FLAT}.lora_down.weight": numbers(4)}, ["down is not a matrix"]),
        ({f"{FLAT}.dora_scale": numbers(7, 1)}, ["another shape"]),
        ({f"{FLAT}.lora_down.weight": numbers(4, 64)}, ["does not fit", "32×64 for 32×32"]),
        ({"lora_unet_nowhere.lora_up.weight": numbers(4, 4)}, ["lora_unet_nowhere down is missing"]),
    ],
)
def test_bad_files_name_what_is_wrong(changes, words, file):
    text = refusal(saved(file, changes))
    assert text.startswith("loras[0].path: 'ink.safetensors'")
    assert all(word in text for word in words), text


def test_layers_of_another_model_are_named(file):
    other = "lora_unet_down_blocks_3_attentions_0_proj_in"
    text = refusal(
        saved(file, {f"{other}.lora_down.weight": numbers(4, 32), f"{other}.lora_up.weight": numbers(32, 4)})
    )
    assert other in text
    assert "1 of its 2 layers are not in the model" in text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "Stable Diffusion XL"),
        ("lora_unet_double_blocks_0_img_attn_proj", "Flux"),
        ("diffusion_model.layers.0.attention.qkv", "Z-Image"),
    ],
)
def test_other_architectures_are_recognised(name, kind, file):
    save_file({f"{name}.lora_down.weight": numbers(4, 32), f"{name}.lora_up.weight": numbers(32, 4)}, file)
    assert f"it is for {kind}" in refusal(file)


def test_the_width_of_the_text_says_the_architecture(file):
    name = f"lora_unet_{Q.replace('attn1.to_q', 'attn2.to_k').replace('.', '_')}"
    modules = Modules.of({f"{Q.replace('attn1.to_q', 'attn2.to_k')}.weight": (32, 768)}, {})
    save_file({f"{name}.lora_down.weight": numbers(4, 2048), f"{name}.lora_up.weight": numbers(32, 4)}, file)
    assert "it is for Stable Diffusion XL" in refusal(file, modules)


def test_a_truncated_file_is_refused(file):
    data = saved(file).read_bytes()
    for length in (0, 4, 100, len(data) - 1):
        file.write_bytes(data[:length])
        assert "is not a valid safetensors file" in refusal(file)


def test_pickles_are_refused_with_the_way_to_convert(tmp_path):
    for name in ("ink.pt", "ink.ckpt", "ink.bin"):
        (tmp_path / name).write_bytes(b"\x80\x04.")
        text = refusal(tmp_path / name)
        assert "pickle" in text
        assert "save_file(torch.load(FILE, weights_only=True)" in text


def test_types_that_are_not_supported_are_named(file):
    head = json.dumps({f"{FLAT}.lora_down.weight": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}).encode()
    file.write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))
    assert "has the type F8_E4M3" in refusal(file)


def test_the_hash_is_that_of_the_tensors(file):
    """A1111 and Civitai (AutoV3) leave the header out, so that a note in it does not change the hash."""
    one = short_hash(header(saved(file), "loras"))
    assert len(one) == 12
    assert short_hash(header(saved(file, ss_note="other"), "loras")) == one
    assert short_hash(header(saved(file, {f"{FLAT}.alpha": np.array(3.0, np.float32)}), "loras")) != one
