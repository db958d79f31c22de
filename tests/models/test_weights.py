"""Weights are found, checked and digested from their files alone: no torch, no pickle, no network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError
from sdbatch.models.locate import fetch, locate
from sdbatch.models.source import Source
from tests.config.building import planned

UNET = {"_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "sample_size": 16}
VAE = {"_class_name": "AutoencoderKL", "block_out_channels": [8, 8, 8, 8]}
TEXT = {"max_position_embeddings": 77}
SCHEDULER = {"beta_schedule": "linear", "prediction_type": "v_prediction", "steps_offset": 0}
LDM = {
    "model.diffusion_model.input_blocks.0.0.weight": np.zeros((8, 4, 3, 3), np.float32),
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": np.zeros((4, 4), np.float32),
    "first_stage_model.encoder.conv_in.weight": np.zeros((4, 3, 3, 3), np.float32),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sdbatch" / "digests.json"


def write(path: Path, value: Any = 0.0, **tensors: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors or {"w": np.full(4, value, np.float32)}, path)


@pytest.fixture
def folder(tmp_path):
    """A model in diffusers' layout."""
    root = tmp_path / "model"
    for part, config in {"unet": UNET, "vae": VAE, "text_encoder": TEXT}.items():
        write(root / part / f"{part}.safetensors")
        (root / part / "config.json").write_text(json.dumps(config))
    (root / "scheduler").mkdir()
    (root / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    return root


@pytest.fixture
def file(tmp_path):
    """A model in one file."""
    path = tmp_path / "model.safetensors"
    write(path, **LDM)
    return path


def local(path: Path, **more) -> Source:
    return locate(ModelSettings(kind="local", path=str(path), **more))


def refusal(path: Path | None = None, **more) -> str:
    with pytest.raises(ConfigError) as caught:
        locate(ModelSettings(**{"kind": "local", "path": str(path)} | more))
    return str(caught.value)


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


# ---- what is found


def test_what_the_scheduler_says_of_the_weights_is_honoured(folder):
    plain = local(folder).model
    more = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "guidance_rescale": 0.7}
    change(folder / "scheduler" / "scheduler_config.json", **more)
    found = local(folder).model.schedule
    assert (found.prediction, found.zero_snr, found.guidance_rescale) == ("v_prediction", True, 0.7)
    assert (plain.schedule.zero_snr, plain.schedule.guidance_rescale) == (False, 0.0)
    assert plain.key != local(folder).model.key
    change(folder / "scheduler" / "scheduler_config.json", prediction_type="epsilon")
    assert "a model that predicts noise cannot begin without signal" in refusal(folder)


@pytest.mark.parametrize(
    ("names", "prediction", "zero_snr"),
    [((), "epsilon", False), (("v_pred",), "v_prediction", False), (("v_pred", "ztsnr"), "v_prediction", True)],
)
def test_a_single_file_says_it_by_empty_tensors(tmp_path, names, prediction, zero_snr):
    write(tmp_path / "m.safetensors", **LDM, **{name: np.zeros(0, np.float32) for name in names})
    found = local(tmp_path / "m.safetensors").model.schedule
    assert (found.prediction, found.zero_snr) == (prediction, zero_snr)


def test_a_folder_says_how_it_was_trained(folder):
    source = local(folder)
    assert (source.native, source.chunk, source.model.scale, source.model.channels) == (128, 75, 8, 4)
    assert (source.model.schedule.prediction, source.model.schedule.beta_schedule) == ("v_prediction", "linear")


def test_a_single_file_is_taken_for_stable_diffusion_1(file):
    source = local(file)
    assert (source.file, source.native, source.chunk, source.model.scale) == (file, 512, 75, 8)


def test_settings_win(folder):
    source = local(folder, native=256, clip_skip=2)
    assert (source.native, source.model.clip_skip) == (256, 2)


# ---- digests


def test_a_digest_is_of_the_content_not_of_the_place(folder, file, tmp_path):
    there = shutil.copytree(folder, tmp_path / "elsewhere" / "other")
    assert local(folder).model == local(there).model
    assert local(file).model == local(shutil.copy(file, tmp_path / "renamed.safetensors")).model


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_other_weights_have_another_digest(folder, part):
    before = local(folder).model.weights
    write(folder / part / f"{part}.safetensors", 1.0)
    assert local(folder).model.weights != before


@pytest.mark.parametrize(
    ("name", "value"),
    [("unet/config.json", {"attention_head_dim": 5}), ("scheduler/scheduler_config.json", {"beta_end": 0.013})],
)
def test_other_settings_have_another_digest(folder, name, value):
    before = local(folder).model
    change(folder / name, **value)
    assert local(folder).model != before


def test_what_is_not_read_is_not_digested(folder):
    before = local(folder).model
    write(folder / "unet" / "unet.fp16.safetensors", 1.0)
    write(folder / "unet" / "unet.non_ema.safetensors", 1.0)
    (folder / "README.md").write_text("hello")
    (folder / "unet" / "preview.png").write_bytes(b"x")
    assert local(folder).model == before


def test_half_precision_alone_is_digested(folder):
    def half(value: float) -> str:
        write(folder / "unet" / "unet.fp16.safetensors", value)
        return local(folder).model.weights

    (folder / "unet" / "unet.safetensors").unlink()
    assert half(1.0) != half(2.0)


def test_another_vae_is_in_the_ids(folder, tmp_path):
    write(tmp_path / "vae.safetensors")
    plain, single, part = (
        local(folder),
        local(folder, vae=str(tmp_path / "vae.safetensors")),
        local(folder, vae=str(folder)),
    )
    assert len({plain.model, single.model, part.model}) == 3
    assert part.vae == folder / "vae"
    assert len({m.model.weights for m in (plain, single, part)}) == 1


# ---- the cache


def test_a_file_is_hashed_once(folder, cache, monkeypatch):
    model = local(folder).model
    monkeypatch.setattr("sdbatch.models.digests._hash", lambda path: pytest.fail(f"{path} was read again"))
    assert local(folder).model == model
    assert cache.is_file()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"x": 1}', "[" * 5000, "\ud800"])
def test_a_broken_cache_is_harmless(folder, cache, text):
    model = local(folder).model
    cache.write_text(text, "utf-8", errors="surrogatepass")
    assert local(folder).model == model


def test_wrong_entries_of_the_cache_are_created_again(folder, cache):
    model = local(folder).model
    cache.write_text(json.dumps(dict.fromkeys(json.loads(cache.read_text()), 7)))
    assert local(folder).model == model


def test_a_cache_that_cannot_be_written_is_harmless(folder, tmp_path, monkeypatch):
    model = local(folder).model
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert local(folder).model == model


def test_a_changed_file_is_hashed_again(folder):
    path = folder / "unet" / "unet.safetensors"
    before, stat = local(folder).model, path.stat()
    write(path, 1.0)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert local(folder).model != before


# ---- what is refused


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_missing_part_is_named(folder, part):
    (folder / part / "config.json").unlink()
    assert f"has no {part}/config.json (is it a diffusers folder?)" in refusal(folder)


def test_a_folder_of_something_else_is_not_a_model(tmp_path):
    assert refusal(tmp_path).startswith("model.path:")


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "model.ckpt", "model.pt"])
def test_pickled_weights_are_refused(folder, name):
    (folder / "unet" / "unet.safetensors").rename(folder / "unet" / name)
    assert f"unet/ has only {name} (a pickle file, which can run code)" in refusal(folder)


def test_a_part_without_weights_is_named(folder):
    (folder / "vae" / "vae.safetensors").unlink()
    assert "vae/ has no .safetensors file" in refusal(folder)


@pytest.mark.parametrize("name", ["m.ckpt", "m.pt", "m.bin", "m.PKL"])
def test_a_pickle_is_refused_unopened(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04cos\nsystem\n")
    assert "is a pickle file, which can run code (use .safetensors)" in refusal(tmp_path / name)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def junk(path: Path) -> None:
    path.write_bytes(b"\xff" * 100)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def page(path: Path) -> None:
    path.write_bytes(b"<!DOCTYPE html><html>log in</html>")


def deep(path: Path) -> None:
    head = b"[" * 100_000
    path.write_bytes(len(head).to_bytes(8, "little") + head)


@pytest.mark.parametrize("damage", [cut, junk, empty, page, deep], ids=lambda f: f.__name__)
def test_a_damaged_file_is_named(folder, file, damage):
    damage(file)
    assert "'model.safetensors' is not a valid safetensors file" in refusal(file)
    damage(folder / "vae" / "vae.safetensors")
    assert "'vae.safetensors' is not a valid safetensors file" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("unet", {"addition_embed_type": "text_time"}, "XL and newer are not supported"),
        ("unet", {"_class_name": "SD3Transformer2DModel"}, "is not a Stable Diffusion 1.x/2.x model"),
        (
            "unet",
            {"in_channels": 8},
            "is a model for instructions: it needs a picture to change (use the ordinary",
        ),
        ("unet", {"sample_size": [64, 64]}, "cannot be read"),
        ("unet", {"sample_size": 10**9}, "not an image model"),
        ("unet", {"in_channels": "x", "out_channels": "x"}, "cannot be read"),
        ("vae", {"block_out_channels": 4}, "cannot be read"),
        ("vae", {"block_out_channels": [1] * 60}, "not an image model"),
        ("text_encoder", {"max_position_embeddings": 1}, "not an image model"),
        ("text_encoder", {"max_position_embeddings": None}, "cannot be read"),
    ],
)
def test_a_model_of_another_kind_is_refused(folder, name, config, words):
    change(folder / name / "config.json", **config)
    assert words in refusal(folder)


@pytest.mark.parametrize(
    "config",
    [{"beta_schedule": "x"}, {"prediction_type": "flow"}, {"beta_start": "x"}, {"num_train_timesteps": None}],
    ids=str,
)
def test_an_unknown_noise_schedule_is_refused(folder, config):
    change(folder / "scheduler" / "scheduler_config.json", **config)
    assert refusal(folder).startswith("model.path:")


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 100_000, "null", "\x00"], ids=["torn", "list", "deep", "null", "nul"]
)
def test_a_damaged_configuration_is_named(folder, text):
    (folder / "unet" / "config.json").write_text(text)
    assert refusal(folder).startswith("model.path:")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"conditioner.embedders.0.w": np.zeros(1, np.float32)}, "is a Stable Diffusion XL checkpoint"),
        ({"model.diffusion_model.input_blocks.0.0.weight": np.zeros((8, 8, 3, 3), np.float32)}, "is a model for instr"),
        ({"model.diffusion_model.input_blocks.0.0.weight": np.float32(0)}, "needs more than a text"),
    ],
    ids=["xl", "instructions", "scalar"],
)
def test_a_single_file_of_another_kind_is_refused(tmp_path, tensors, words):
    write(tmp_path / "m.safetensors", **{k: np.asarray(v) for k, v in (LDM | tensors).items()})
    assert words in refusal(tmp_path / "m.safetensors")


def test_a_file_of_something_else_is_refused(tmp_path):
    write(tmp_path / "lora.safetensors", lora=np.zeros(1, np.float32))
    assert "is not a Stable Diffusion 1.x checkpoint" in refusal(tmp_path / "lora.safetensors")


@pytest.mark.parametrize("vae", ["nowhere", "model/unet/config.json", "model/scheduler", "cut.safetensors"])
def test_a_wrong_vae_is_named_as_such(folder, tmp_path, monkeypatch, vae):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "cut.safetensors")
    cut(tmp_path / "cut.safetensors")
    assert refusal(folder, vae=vae).startswith("model.vae:")


# ---- models that need no files to be planned


@pytest.mark.parametrize("kind", ["hub", "random_sd15", "fake"])
def test_a_plan_needs_no_weights(kind, monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *a, **k: pytest.fail("the network was asked"))
    model = {"kind": kind} | ({"repo": "a/b", "revision": "0" * 40} if kind == "hub" else {})
    (job,) = planned(model=model, canvas=["1:1"])
    assert (job.shot.width, job.shot.height) == ((128, 128) if kind == "fake" else (512, 512))


def test_a_hub_model_is_its_repository_at_a_commit():
    source = locate(ModelSettings(kind="hub", repo="a/b", revision="0" * 40))
    assert source.model.weights == "a/b@" + "0" * 40


def test_without_network_the_message_says_what_to_do(tmp_path):
    code = (
        "from sdbatch.models.locate import fetch, locate\nfrom sdbatch.config.model import ModelSettings\n"
        "from sdbatch.errors import ConfigError\n"
        "try: fetch(locate(ModelSettings(kind='hub', repo='owner/model', revision='4' * 40)))\n"
        "except ConfigError as e: print(e)"
    )
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    for words in (
        "44444444 are not on this machine",
        "hf download owner/model --revision 4",
        "model=local model.path=",
        "model=small is built in",
    ):
        assert words in done.stdout


def test_what_lies_on_disk_is_not_fetched(folder):
    source = local(folder)
    assert fetch(source) is source


def test_models_are_named_after_their_files(folder, file):
    in_folder, single = (local(path).model for path in (folder, file))
    assert (in_folder.name, in_folder.hash) == ("model", "")
    assert (single.name, single.hash) == (file.stem, sha256(file.read_bytes()).hexdigest()[:12])
