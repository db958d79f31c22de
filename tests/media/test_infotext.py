"""Infotext: A1111's text, written for every reader and read back exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sd_parsers
from hypothesis import given, settings
from hypothesis import strategies as st

from sdbatch import __version__
from sdbatch.media import infotext, png
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.jobs import Model, Shot
from tests.patience import cpu_limit

BASE = Shot(Model("b2:00ff"), "a", "", 1, 512, 512, "ddim", 20, 6.0)
NASTY = [
    *("Negative prompt:", "Negative prompt: x", "Steps: 3", "Sampler: A, Seed: 2, CFG scale: 1", "a, b", ":::"),
    *("Prompt lines: 2", "Prompt lines: 1, Steps: 3, Seed: 1, Size: 1x1", '"', "\\", "", " ", "\r", "\u2028", "🌅"),
]
HOSTILE = st.one_of(
    st.text(max_size=300),
    st.lists(
        st.sampled_from(NASTY),
        max_size=6,
    ).map("\n".join),
)


def test_it_looks_like_a1111s(shot: Shot) -> None:
    model = Model("stable-diffusion-v1-5/stable-diffusion-v1-5@451f4fe", clip_skip=2, vae="b2:77")
    assert infotext.write(replace(shot, model=model, guidance=6.5)) == (
        "torii gate, sea\nNegative prompt: clouds\n"
        "Steps: 12, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 7, Size: 64x48, "
        "Model: stable-diffusion-v1-5/stable-diffusion-v1-5@451f4fe, Clip skip: 2, VAE: b2-77, "
        f"Version: sdbatch {__version__}"
    )


def test_models_have_their_names_and_hashes(shot: Shot) -> None:
    model = Model("b2:00ff", name="v1-5-pruned", hash="6ce016168912")
    text = infotext.write(replace(shot, model=model))
    assert ", Model: v1-5-pruned, Model hash: 6ce0161689, " in text
    assert replace(shot, model=model).id == replace(shot, model=Model("b2:00ff")).id


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"model": "other", "extras": {"Model hash": "6CE0161689"}}, "hash"),
        ({"model": "v1-5", "extras": {"Model hash": "0000000000"}}, ""),
        ({"model": "v1-5", "extras": {}}, "name"),
        ({"model": "b2-00ff", "extras": {}}, "digest"),
        ({"model": "other", "extras": {}}, ""),
        ({"extras": {}}, ""),
    ],
)
def test_models_are_recognised(settings: dict[str, Any], how: str) -> None:
    assert infotext.is_of(settings, Model("b2:00ff", name="v1-5", hash="6ce016168912")) == how


def test_defaults_are_left_out(shot: Shot) -> None:
    text = infotext.write(replace(shot, negative=""))
    assert "Negative" not in text
    assert "Clip skip" not in text
    assert "CFG scale: 6, " in text


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_has_its_a1111_name_and_comes_back(name: str, shot: Shot) -> None:
    text = infotext.write(replace(shot, sampler=name))
    assert f"Sampler: {SAMPLERS[name].infotext}, " in text
    assert SAMPLERS[name].infotext not in ("", name)
    assert infotext.parse(text)["sampler"] == name


@given(HOSTILE, HOSTILE, st.integers(0, 2**63), st.floats(0, 1000), st.sampled_from(sorted(SAMPLERS)))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_what_is_written_is_read_back(prompt: str, negative: str, seed: int, guidance: float, sampler: str) -> None:
    shot = replace(BASE, prompt=prompt, negative=negative, seed=seed, guidance=guidance, sampler=sampler)
    assert infotext.parse(infotext.write(shot)) == {
        **{"prompt": prompt, "negative": negative, "seed": seed, "guidance": guidance, "sampler": sampler},
        **{"steps": 20, "width": 512, "height": 512, "model": "b2-00ff"},
        "extras": {"Version": f"sdbatch {__version__}"},
    }


@pytest.mark.parametrize("prompt", ["x" * 10_000, "a: b, " * 2_000, '"' * 10_000, "Negative prompt:\n" * 600])
def test_ten_thousand_characters_come_back_at_once(prompt: str) -> None:
    shot = replace(BASE, prompt=prompt, negative=prompt)
    with cpu_limit(20):
        found = infotext.parse(infotext.write(shot))
        infotext.parse(prompt)
    assert (found["prompt"], found["negative"]) == (prompt, prompt)


def test_a1111s_own_texts_are_read() -> None:
    text = (
        "masterpiece, (torii gate:1.2), <lora:sea:0.8>\nsecond line\n"
        "Negative prompt: lowres, bad hands\nworst quality\n"
        "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 3141592653, Size: 512x768, "
        "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, VAE hash: 735e4c3a44, VAE: vae-ft-mse.safetensors, "
        "Clip skip: 2, Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent, "
        'Lora hashes: "sea: 0123abcd, sky: 4567cdef", Wildcard prompt: "a \\"b\\", {c|d}\\nnext", Version: v1.9.4\n'
    )
    assert infotext.parse(text) == {
        "prompt": "masterpiece, (torii gate:1.2), <lora:sea:0.8>\nsecond line",
        "negative": "lowres, bad hands\nworst quality",
        **{"steps": 28, "sampler": "dpmpp_2m_karras", "guidance": 7.5, "seed": 3141592653, "width": 512, "height": 768},
        **{"model": "v1-5-pruned-emaonly", "clip_skip": 2},
        "extras": {
            **{"Model hash": "6ce0161689", "VAE hash": "735e4c3a44", "VAE": "vae-ft-mse.safetensors"},
            **{"Denoising strength": "0.5", "Hires upscale": "2", "Hires upscaler": "Latent"},
            **{"Lora hashes": "sea: 0123abcd, sky: 4567cdef", "Wildcard prompt": 'a "b", {c|d}\nnext'},
            "Version": "v1.9.4",
        },
    }


def test_a_text_without_parameters_is_a_prompt() -> None:
    assert infotext.parse("a cat\nNegative prompt: dog") == {"prompt": "a cat", "negative": "dog", "extras": {}}
    assert infotext.parse("") == {"prompt": "", "negative": "", "extras": {}}


def test_values_that_break_their_promise_are_extras() -> None:
    found = infotext.parse("a\nSteps: many, CFG scale: nan, Seed: 1e5, Size: 5 by 5, Clip skip: " + "9" * 5000)
    assert set(found) == {"prompt", "negative", "extras"}
    assert found["extras"]["Steps"] == "many"


@given(st.text(alphabet=st.sampled_from('aZ: ,"\\\n{}0x🌅-/'), max_size=400) | st.text(max_size=400))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_text_can_be_parsed(text: str) -> None:
    assert {"prompt", "negative", "extras"} <= set(infotext.parse(text))


@pytest.mark.parametrize("piece", [':"\\', "a:", '"', 'a:"x,', "\\", " ", "a b/c-", ","])
def test_time_is_linear_in_the_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    with cpu_limit(20):  # less than one is needed; a quadratic time would be many minutes
        infotext.parse(text)


@pytest.mark.parametrize("negative", ["", "clouds, (bad hands:1.3)\nsecond line"])
def test_sd_parsers_reads_it(negative: str, shot: Shot, tmp_path: Path) -> None:
    shot = replace(shot, negative=negative, prompt="torii gate, (sea:1.2)\nsunset 🌅")
    data = png.encode(np.zeros((8, 8, 3), np.uint8), {"parameters": infotext.write(shot)})
    (tmp_path / "a.png").write_bytes(data)
    found = sd_parsers.ParserManager().parse(tmp_path / "a.png")
    assert found is not None
    assert found.generator.name == "AUTOMATIC1111"
    (sampler,) = found.samplers
    assert sampler.name == "DPM++ 2M Karras"
    assert sampler.parameters == {"cfg_scale": "6", "seed": "7", "steps": "12"}
    assert sampler.model is not None
    assert sampler.model.name == "b2-00ff"
    assert [p.value for p in sampler.prompts] == [shot.prompt]
    assert [p.value for p in sampler.negative_prompts] == ([negative] if negative else [])
