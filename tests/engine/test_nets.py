"""Our networks are diffusers' and transformers': the same names and bits, without their imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sdbatch.engine import architecture, build
from sdbatch.engine.nets import clip, unet, vae
from sdbatch.engine.nets.blocks import set_kernel
from tests.engine import models

TINY = Path(models.CLIP).parent / "tiny"
PARTS = {"text_encoder": models.TEXT, "unet": models.UNET, "vae": models.VAE}
MORE = {  # other shapes: heads per level, attention elsewhere, more layers
    "text_encoder": {"hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 2},
    "unet": {
        "attention_head_dim": [1, 4],
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 2,
    },
    "vae": {"layers_per_block": 2, "latent_channels": 8, "use_quant_conv": False},
}


def pair(name: str, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """(ours, theirs) with the same random weights, as ``build`` prepares them."""
    shapes = build.empty(name, config, own=False).state_dict()
    dice = torch.Generator().manual_seed(3)
    state = {
        k: torch.randn(v.shape, generator=dice) * (0.3 if v.ndim == 1 else v[0].numel() ** -0.5)
        for k, v in shapes.items()
        if "position_ids" not in k
    }
    ours, theirs = (build.build(name, (config, dict(state)), torch.device("cpu"), dtype, own) for own in (True, False))
    assert type(ours).__module__.startswith("sdbatch.")
    assert not type(theirs).__module__.startswith("sdbatch.")
    return ours, theirs


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_the_same_bits(dtype: torch.dtype, more: bool) -> None:
    """Also where a side is odd after halving, in channels_last, for several rows."""
    config = {name: found | (MORE[name] if more else {}) for name, found in PARTS.items()}  # type: ignore[operator]
    ours, theirs = pair("text_encoder", config["text_encoder"], dtype)
    ids = torch.randint(0, 49000, (2, 77), generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours(ids).last_hidden_state, theirs(ids).last_hidden_state)
    ours, theirs = pair("unet", config["unet"], dtype)
    for size in ((8, 8), (9, 7)):
        x = torch.randn(3, 4, *size).to(dtype, memory_format=torch.channels_last)
        text, times = torch.randn(3, 77, 32).to(dtype), torch.tensor([1.0, 500.5, 999.0])
        got = ours(x, times, encoder_hidden_states=text, return_dict=False)[0]
        assert torch.equal(got, theirs(x, times, encoder_hidden_states=text, return_dict=False)[0])
        assert got.std() > 0.01
    ours, theirs = pair("vae", config["vae"], dtype)
    z = torch.randn(2, ours.config["latent_channels"], 5, 4).to(dtype, memory_format=torch.channels_last)
    picture = ours.decode(z).sample
    assert torch.equal(picture, theirs.decode(z).sample)
    picture = picture.contiguous(memory_format=torch.channels_last)
    assert torch.equal(ours.encode(picture).latent_dist.mode(), theirs.encode(picture).latent_dist.mode())


@pytest.mark.parametrize("name", PARTS)
def test_stable_diffusions_parameters_in_diffusers_order(name: str) -> None:
    """The order decides which weights ``model=random_sd15`` gets."""
    config = {"text_encoder": architecture.TEXT, "unet": architecture.UNET, "vae": architecture.VAE}[name]
    ours, theirs = (
        [(k, p.shape) for k, p in build.empty(name, config, own).named_parameters()] for own in (True, False)
    )
    assert ours == theirs


def test_no_division_by_one_is_left() -> None:
    """diffusers divides every block's output by ``output_scale_factor``, which is 1.0: 55 kernels a call on a GPU."""
    ours, theirs = pair("unet", models.UNET)
    inputs = (torch.randn(1, 4, 8, 8), torch.tensor([5.0]), torch.randn(1, 77, 32))
    counts = []
    for module in (ours, theirs):
        with torch.inference_mode(), torch.profiler.profile() as seen:
            module(*inputs)
        counts.append({e.key: e.count for e in seen.key_averages()}.get("aten::div", 0))
    assert counts[0] <= 1 < counts[1]


@pytest.mark.parametrize(
    ("name", "change", "served"),
    [
        ("unet", {"class_embed_type": "timestep"}, False),
        ("unet", {"use_linear_projection": True}, False),
        ("unet", {"layers_per_block": [1, 2]}, False),
        ("unet", {"down_block_types": ("AttnDownBlock2D", "DownBlock2D")}, False),
        ("unet", {"a_new_key": 1}, False),
        ("unet", {"_diffusers_version": "9", "dropout": 0.5, "act_fn": "silu"}, True),
        ("vae", {"mid_block_add_attention": False}, False),
        ("vae", {"up_block_types": ("AttnUpDecoderBlock2D",) * 4}, False),
        ("vae", {"force_upcast": True, "sample_size": 9}, True),
        ("text_encoder", {"hidden_act": "gelu"}, False),
        ("text_encoder", {"bos_token_id": 7}, True),
    ],
)
def test_what_ours_do_not_have_is_left_to_the_originals(name: str, change: dict[str, Any], served: bool) -> None:
    serves = {"unet": unet, "vae": vae, "text_encoder": clip}[name].serves
    assert serves(PARTS[name])
    assert serves(PARTS[name] | change) is served


def test_another_kind_of_unet_is_diffusers_own() -> None:
    made = build.empty("unet", models.UNET | {"use_linear_projection": True})
    assert type(made).__module__ == "diffusers.models.unets.unet_2d_condition"


def test_a_kernel_reaches_every_attention() -> None:
    module = unet.UNet(models.UNET)
    seen = []

    def kernel(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        seen.append((q.shape, k.shape))
        return nn.functional.scaled_dot_product_attention(q, k, v)

    assert set_kernel(module, kernel) == 2 * 4
    with torch.inference_mode():
        module(torch.randn(2, 4, 8, 8), torch.zeros(2), torch.randn(2, 77, 32))
    assert len(seen) == 8
    assert seen[0] == ((2, 2, 64, 16), (2, 2, 64, 16))
    assert seen[1] == ((2, 2, 64, 16), (2, 2, 77, 16))


def test_the_built_in_model_needs_neither_diffusers_nor_transformers() -> None:
    """They cost five seconds of CPU at every start; so does torch._dynamo, which only compiling needs."""
    code = (
        "import sys; from sdbatch import engine; from sdbatch.config.model import ModelSettings;"
        "from sdbatch.config.runtime import Runtime; from sdbatch.models.locate import locate;"
        "engine.open(locate(ModelSettings(kind='tiny')), Runtime(device='cpu'));"
        "sys.exit(', '.join({'diffusers', 'transformers', 'xformers', 'torch._dynamo'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
