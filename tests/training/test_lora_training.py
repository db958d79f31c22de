"""What is trained is what is merged; the command writes files that fit; styles and their measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch.config.model import ModelSettings
from sdbatch.engine.merge import merged
from sdbatch.models.embedding import read as read_embedding
from sdbatch.models.locate import locate
from sdbatch.models.lora.file import matched, read
from sdbatch.models.lora.modules import modules_of
from training import loras
from training.adapters import LAYOUTS, TEXT, UNET, Adapter, save
from training.painter import paint
from training.render import load
from training.scene import draw_scene
from training.styles import STYLES

pytestmark = pytest.mark.usefixtures("training_settings")


@pytest.fixture(scope="module")
def pipe() -> Any:
    return load()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_merges_to_what_was_trained(layout: str, pipe: Any, tmp_path: Path) -> None:
    networks = {UNET: pipe.unet, TEXT: pipe.text_encoder}
    adapter = Adapter(layout, 2, networks, {UNET: r"mid_block.*(conv|attn)", TEXT: r"layers\.0.*(q_proj|fc1)"})
    with torch.no_grad():
        for n, part in enumerate(adapter.parts):
            part.copy_(torch.randn(part.shape, generator=torch.Generator().manual_seed(n)).half() * 0.1)
    save(tmp_path / "a.safetensors", adapter.tensors(networks), {})
    modules = modules_of(locate(ModelSettings(kind="tiny")))
    assert modules is not None
    layers = matched(read(tmp_path / "a.safetensors", "loras"), modules, "loras")
    assert layers.keys() == {(part, name.removeprefix("text_model.")) for part, name in adapter.places}
    for part, network in networks.items():
        own = {module: layer for (where, module), layer in layers.items() if where == part}
        found = merged(network.state_dict(), [(own, 1.0)])
        for name, weight in adapter.changed(part, network).items():
            assert not torch.equal(weight, network.get_parameter(name))
            torch.testing.assert_close(found[name], weight.detach(), rtol=1e-5, atol=1e-6)


def test_the_command_writes_files_that_fit(pipe: Any, tmp_path: Path) -> None:
    size = ["--scenes", "2", "--steps", "1", "--out", str(tmp_path / "work"), "--to", str(tmp_path)]
    loras.main(["pixel", loras.WORD, *size])
    modules = modules_of(locate(ModelSettings(kind="tiny")))
    assert modules is not None
    matched(read(tmp_path / "loras/pixel.safetensors", "loras"), modules, "loras")
    vectors = read_embedding(tmp_path / f"embeddings/{loras.WORD}.safetensors", "embeddings")
    assert vectors.shape == (2, modules.text_width)
    start = pipe.text_encoder.get_input_embeddings().weight.detach().numpy()
    assert not any((np.abs(start - v).max(axis=1) < 1e-6).any() for v in vectors)


def test_the_word_takes_the_places_of_its_vectors(pipe: Any) -> None:
    (ids,) = loras.Lessons(pipe, [], lambda scene, rng: "").ids([f"a house, {loras.WORD}, sea"], 2).tolist()
    count = len(pipe.tokenizer)
    words = pipe.tokenizer("a house, , sea", add_special_tokens=False).input_ids
    assert [i for i in ids if i >= count] == [count, count + 1]
    assert [i for i in ids[1:] if i < count and i != pipe.tokenizer.eos_token_id] == words
    assert len(ids) == pipe.tokenizer.model_max_length


@pytest.mark.parametrize("name", STYLES)
def test_a_style_raises_its_measure(name: str) -> None:
    pictures = [paint(draw_scene(seed, "3:2")) for seed in range(6)]
    restyled = [STYLES[name].restyle(p) for p in pictures]
    assert all(r.shape == p.shape and r.dtype == np.uint8 for r, p in zip(restyled, pictures, strict=True))
    assert np.mean([STYLES[name].measure(r) for r in restyled]) > 0.9
    assert np.mean([STYLES[name].measure(p) for p in pictures]) < 0.6
