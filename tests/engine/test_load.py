"""Every layout of weights loads to the same modules; what does not serve is refused with a message that helps."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sdbatch import engine
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.engine import architecture, build, load, randomised
from sdbatch.errors import ConfigError
from sdbatch.models.source import from_file
from sdbatch.spec.jobs import Model
from sdbatch.spec.renderer import Picture
from tests.engine import ldm
from tests.engine.models import CLIP, modules, render, shot, source

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
RUN = Runtime(device="cpu", threads=1)


def equal(a: Any, b: Any) -> bool:
    mine, other = a.state_dict(), b.state_dict()
    return mine.keys() == other.keys() and all(torch.equal(mine[k], other[k]) for k in mine)


def near(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal but for the memory format's rounding."""
    return bool((a - b).abs().max() < 1e-3 * b.std())


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ldm.write(tmp_path_factory.mktemp("ckpt") / "model.safetensors", ldm.made())


def test_a_diffusers_folder(folder: Path) -> None:
    got = load.load(source(folder), CPU, torch.float32)
    assert all(equal(a, b) for a, b in zip((got.text, got.denoiser, got.vae), modules(), strict=True))
    assert not got.denoiser.training
    assert not any(p.requires_grad for p in got.denoiser.parameters())
    assert got.denoiser.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_single_file_in_stable_diffusion_1_layout(single: Path) -> None:
    got = load.load(source(file=single), CPU, torch.float32)
    want = ldm.made()
    assert all(equal(a, b) for a, b in zip((got.text, got.denoiser, got.vae), want, strict=True))
    x, text = torch.randn(2, 4, 8, 8), torch.randn(2, 77, 64)
    with torch.no_grad():
        ids = torch.arange(77)[None]
        assert near(got.denoiser(x, torch.full((2,), 5.0), text)[0], want[1](x, 5, text).sample)
        assert near(got.text(ids).last_hidden_state, want[0](ids).last_hidden_state)
        assert near(got.vae.decode(x).sample, want[2].decode(x).sample)


def test_names_are_converted_as_diffusers_converts_them(single: Path) -> None:
    """Small weights, and Stable Diffusion 1's own names with tensors that hold nothing."""
    from diffusers.loaders import single_file_utils as theirs

    small = load_file(single) | {"model_ema.decay": torch.zeros(1), "first_stage_model.loss.logvar": torch.zeros(1)}
    shapes = [build.empty("unet", architecture.UNET), build.empty("vae", architecture.VAE)]
    large = {f"{load.ldm.UNET}{ldm.unet_key(k)}": v for k, v in shapes[0].state_dict().items()}
    large |= {f"{load.ldm.VAE}{k}": v for k, v in ldm.ldm_vae(shapes[1]).items()}
    for state in (small, large):
        denoiser, vae = load.ldm.inside(state, load.ldm.UNET), load.ldm.inside(state, load.ldm.VAE)
        config, vae_config = architecture.unet_config(denoiser), architecture.vae_config(vae)
        for ours, others in (
            (load.ldm.unet(denoiser, 2), theirs.convert_ldm_unet_checkpoint(state, config)),
            (load.ldm.vae(vae, 4), theirs.convert_ldm_vae_checkpoint(state, vae_config)),
        ):
            assert ours.keys() == others.keys()
            assert all(v.is_meta or torch.equal(v, others[k]) for k, v in ours.items())
            assert all(v.shape == others[k].shape for k, v in ours.items())
    text = load.ldm.inside(small, *load.ldm.TEXT)
    others = theirs.convert_ldm_clip_checkpoint(small)
    assert text.keys() == others.keys()
    assert all(torch.equal(v, others[k]) for k, v in text.items())


def test_a_single_file_needs_neither_diffusers_nor_transformers(single: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sdbatch import engine; from sdbatch.config.runtime import Runtime;"
        "from tests.engine.models import render, shot, source;"
        "e = engine.open(source(file=Path(sys.argv[1])), Runtime(device='cpu'));"
        "print(list(render(e, [shot()]).values())[0].pixels.std() > 2);"
        "sys.exit(', '.join({'diffusers', 'transformers', 'xformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(single)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"


def test_the_inferred_configuration_is_stable_diffusions() -> None:
    """On the real architecture (shapes only) the shapes give back exactly the known configuration."""
    for name, config, infer in (
        ("text_encoder", architecture.TEXT, architecture.text_config),
        ("unet", architecture.UNET, lambda s: architecture.unet_config({ldm.unet_key(k): v for k, v in s.items()})),
    ):
        assert infer(dict(build.empty(name, config).named_parameters())) == config
    vae = build.empty("vae", architecture.VAE)
    assert architecture.vae_config(ldm.ldm_vae(vae)) == architecture.VAE


def test_old_names_in_a_vae_folder(folder: Path, tmp_path: Path) -> None:
    """Stable Diffusion 1.5's own VAE files still say query, key, value, proj_attn."""
    shutil.copytree(folder / "vae", tmp_path / "vae")
    file = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    for old, new in build.OLD_VAE_KEYS.items():
        state = {k.replace(new, old) if ".attentions." in k else k: v for k, v in state.items()}
    assert any("query" in k for k in state)
    save_file(state, file)
    got = load.load(source(folder, vae=tmp_path / "vae"), CPU, torch.float32)
    assert equal(got.vae, modules()[2])


@pytest.mark.parametrize("form", ["folder", "file"])
def test_another_vae(folder: Path, tmp_path: Path, form: str) -> None:
    other = ldm.made(seed=5)[2]
    if form == "folder":
        other.save_pretrained(tmp_path / "other")
        path = tmp_path / "other"
    else:
        path = tmp_path / "vae.safetensors"
        save_file({k: v.contiguous() for k, v in ldm.ldm_vae(other).items()}, path)
    got = load.load(source(folder, vae=path), CPU, torch.float32)
    assert equal(got.vae, other)
    assert equal(got.denoiser, modules()[1])


def test_a_tiny_vae_renders(folder: Path, tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).save_pretrained(tmp_path)
    opened = engine.open(source(folder, vae=tmp_path), RUN)
    (picture,) = render(opened, [shot()]).values()
    assert isinstance(picture, Picture)
    assert picture.pixels.shape == (64, 64, 3)


def test_clip_skip_is_the_earlier_layer_with_the_last_norm(folder: Path) -> None:
    skipped = load.load(source(folder, model=Model("b2:test", clip_skip=2)), CPU, torch.float32).text
    whole = modules()[0]
    ids = torch.tensor([[49406, 320, 2368, *[49407] * 74]])
    with torch.no_grad():
        states = whole(ids, output_hidden_states=True).hidden_states
        want = whole.final_layer_norm(states[-2])
        assert torch.equal(skipped(ids).last_hidden_state, want)
    with pytest.raises(ConfigError, match=r"clip_skip: 4 is out of range 1–3"):
        load.load(source(folder, model=Model("b2:test", clip_skip=4)), CPU, torch.float32)


def test_fp16_files_serve_where_there_is_nothing_else(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "sd")
    unet = tmp_path / "sd" / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(
        {k: v.half() for k, v in load_file(unet).items()}, unet.with_name("diffusion_pytorch_model.fp16.safetensors")
    )
    unet.unlink()
    got = load.load(source(tmp_path / "sd"), CPU, torch.float32)
    assert got.denoiser.dtype == torch.float32
    assert torch.equal(got.denoiser.conv_in.weight, modules()[1].conv_in.weight.half().float())


def test_random_weights_are_seeded_and_lively(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"TEXT": ldm.SMALL_TEXT, "UNET": ldm.SMALL_UNET, "VAE": ldm.SMALL_VAE}
    for name, config in small.items():
        monkeypatch.setattr(architecture, name, config)
    for part in randomised.PARTS:
        one, two = (randomised.state(part, torch.bfloat16, CPU)[1] for _ in range(2))
        assert all(torch.equal(one[k], v) and v.dtype == torch.bfloat16 for k, v in two.items())
    opened = engine.open(source(kind="random_sd15"), RUN)
    found = list(render(opened, [shot(seed=s) for s in (1, 2)]).values())
    assert all(r.pixels.std() > 2 for r in found)
    assert not np.array_equal(found[0].pixels, found[1].pixels)


def test_the_safety_checker_blanks_and_says_so(folder: Path, tmp_path: Path) -> None:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    shutil.copytree(folder, tmp_path / "sd")
    vision = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 32,
    }
    for least, blank in ((2.0, False), (-2.0, True)):  # a cosine is always below 2 and above -2
        checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16))
        checker.concept_embeds_weights.data.fill_(least)
        checker.special_care_embeds_weights.data.fill_(2.0)
        checker.save_pretrained(tmp_path / "sd" / "safety_checker")
        opened = engine.open(source(tmp_path / "sd", safety_checker=True), RUN)
        (picture,) = render(opened, [shot(width=56)]).values()
        assert (picture.pixels.max() == 0) == blank
        assert picture.warnings == (*["blanked by the safety checker"] * blank, "unverified at 8x7 latents")


def refuse(match: str, **changes: Any) -> None:
    with pytest.raises(ConfigError, match=match):
        load.load(source(**changes), CPU, torch.float32)


def test_what_does_not_serve_is_refused(folder: Path, tmp_path: Path, single: Path) -> None:
    sd = tmp_path / "sd"
    shutil.copytree(folder, sd)
    refuse("no safety checker", folder=sd, safety_checker=True)
    (sd / "unet" / "diffusion_pytorch_model.safetensors").rename(sd / "unet" / "diffusion_pytorch_model.bin")
    refuse("pickle is refused", folder=sd)
    (sd / "unet" / "config.json").unlink()
    refuse(re.escape("config.json cannot be read"), folder=sd)
    (tmp_path / "a.ckpt").write_bytes(b"\x80\x02")
    refuse("is a pickle file", file=tmp_path / "a.ckpt")
    (tmp_path / "cut.safetensors").write_bytes(single.read_bytes()[:-100])
    refuse("cannot be read", file=tmp_path / "cut.safetensors")
    save_file({"lora_unet.x": torch.zeros(2)}, tmp_path / "lora.safetensors")
    refuse("not a Stable Diffusion 1 checkpoint", file=tmp_path / "lora.safetensors")
    ldm.write(tmp_path / "novae.safetensors", ldm.made(), vae=False)
    refuse(re.escape("model.vae=…"), file=tmp_path / "novae.safetensors")
    refuse("no VAE", folder=folder, vae=tmp_path / "lora.safetensors")


def test_a_single_file_of_an_inpainting_model(single: Path, tmp_path: Path) -> None:
    state = load_file(single)
    key = "model.diffusion_model.input_blocks.0.0.weight"
    wide = torch.cat([state[key], torch.zeros(len(state[key]), 5, 3, 3)], 1)
    save_file(state | {key: wide}, tmp_path / "inpainting.safetensors")
    found = from_file(ModelSettings(kind="local"), tmp_path / "inpainting.safetensors")
    denoiser = load.load(found, CPU, torch.float32).denoiser
    assert (denoiser.config["in_channels"], found.model.channels) == (9, 4)
    assert torch.equal(denoiser.conv_in.weight, wide)


def test_other_architectures_are_refused(folder: Path, tmp_path: Path, single: Path) -> None:
    for key, change, match in (
        ("model.diffusion_model.input_blocks.0.0.weight", lambda v: torch.zeros(32, 8, 3, 3), "instructions"),
        (
            "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
            lambda v: torch.zeros(32, 1024),
            "SD 2",
        ),
        ("model.diffusion_model.out.2.weight", lambda v: torch.zeros(5, 32, 3, 3), "do not fit"),
    ):
        state = load_file(single)
        state[key] = change(state[key])
        save_file(state, tmp_path / "other.safetensors")
        refuse(match, file=tmp_path / "other.safetensors")
    sd = tmp_path / "sd"
    shutil.copytree(folder, sd)
    config = sd / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"_class_name": "FluxTransformer2DModel"}))
    refuse("FluxTransformer2DModel is not a Stable Diffusion 1 unet", folder=sd)
    refuse("latent channels", folder=folder, model=Model("b2:test", channels=16))


def test_a_vocabulary_that_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vocabulary"):
        engine.open(source(folder, vocabulary=tmp_path), RUN)
    assert (CLIP / "merges.txt").exists()
