"""Shots with LoRAs and textual inversions: their pictures, the weights in memory, and bits alone and in company."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine.merge import merged
from sdbatch.errors import ConfigError
from sdbatch.models.folders import digest_of
from sdbatch.motion.passes import passed
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec.adapters import Embedding, Lora
from sdbatch.spec.jobs import Model, Shot
from sdbatch.spec.passes import Pass
from sdbatch.spec.renderer import Failure, Picture
from tests.engine.models import CLIP, ListFeed, render, shot, source
from tests.models.lora_files import LAYOUTS, LINEAR, TEXT_Q, Q, write

UNET_ONLY, TEXT_ONLY = {Q: LINEAR[Q]}, {TEXT_Q: LINEAR[TEXT_Q]}
WORDS = "red sky over hills"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A LoRA of every layout, one of the denoiser only and one of the text encoder only."""
    folder = tmp_path_factory.mktemp("loras")
    for seed, name in enumerate(LAYOUTS):
        write(folder / f"{name}.safetensors", name, seed)
    write(folder / "unet.safetensors", "kohya", modules=UNET_ONLY)
    write(folder / "text.safetensors", "kohya", modules=TEXT_ONLY)
    return {path.stem: path for path in folder.iterdir()}


def with_loras(files: dict[str, Path], *used: tuple[str, float], **changes: Any) -> Shot:
    loras = tuple(Lora(digest_of(files[name]), weight, name=name) for name, weight in used)
    return shot(model=Model("b2:test", loras=loras), **changes)


def adapters(files: dict[str, Path]) -> dict[str, Path]:
    return {digest_of(path): path for path in files.values()}


@pytest.fixture(scope="module")
def small(folder: Path, files: dict[str, Path]) -> Any:
    return engine.open(source(folder, adapters=adapters(files)), Runtime(device="cpu", threads=1, rows=4))


def pixels(found: Picture | Failure) -> Any:
    assert isinstance(found, Picture), found
    return found.pixels


def test_bits_are_equal_alone_and_in_company(small: Any, files: dict[str, Path]) -> None:
    """Over every layout, beside shots without LoRAs and with the same one at another weight."""
    shots = [shot(seed=s, steps=2) for s in (1, 2)]
    shots += [with_loras(files, (name, 1.0), steps=2) for name in LAYOUTS]
    shots += [with_loras(files, ("loha", 0.5), steps=2), with_loras(files, ("loha", 1.0), ("peft", 0.5), steps=2)]
    together = render(small, shots)
    assert len({pixels(p).tobytes() for p in together.values()}) == len(shots), "every one has its own picture"
    for alone in (shots[0], shots[5], shots[-1]):
        assert np.array_equal(pixels(render(small, [alone])[alone.id]), pixels(together[alone.id]))
    backwards = render(small, shots[::-1])
    assert all(np.array_equal(pixels(backwards[k]), pixels(p)) for k, p in together.items())


def test_a_picture_is_that_of_a_model_with_merged_weights(
    small: Any, folder: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    """Weights that numpy merged, saved as a model of their own."""
    changed = shutil.copytree(folder, tmp_path / "merged")
    merges = write(tmp_path / "a.safetensors", "locon_tucker", seed=list(LAYOUTS).index("locon_tucker"))
    for part in ("unet", "text_encoder"):
        (path,) = (changed / part).glob("*.safetensors")
        state = load_file(path)
        for (own, module), merge in merges.items():
            if own == part:
                key = next(k for k in state if k.removeprefix("text_model.") == f"{module}.weight")
                before = state[key].double().numpy()
                state[key] = torch.from_numpy(before + 0.7 * (merge(before) - before)).float()
        save_file(state, path)
    wanted = render(engine.open(source(changed), Runtime(device="cpu", threads=1, rows=4)), [shot()])[shot().id]
    changed_shot = with_loras(files, ("locon_tucker", 0.7))
    found = pixels(render(small, [changed_shot])[changed_shot.id]).astype(int)
    assert np.abs(found - pixels(wanted).astype(int)).max() <= 1
    assert np.abs(found - pixels(render(small, [shot()])[shot().id]).astype(int)).max() > 8


def test_only_what_a_lora_changes_is_made_again(folder: Path, files: dict[str, Path]) -> None:
    """The text part is in the key of the text cache: a LoRA of the denoiser alone shares the encoder."""
    opened = engine.open(source(folder, adapters=adapters(files)), Runtime(device="cpu", threads=1, rows=4))
    shots = [shot(), *(with_loras(files, (name, w)) for name in ("unet", "text") for w in (0.5, 1.0))]
    render(opened, shots)
    models = [opened._weights.get(opened.bucket(one).weights) for one in shots]
    texts, denoisers = ([id(getattr(m, name)) for m in models] for name in ("texts", "denoiser"))
    assert texts[0] == texts[1] == texts[2]
    assert denoisers[0] == denoisers[3] == denoisers[4]
    assert len(set(texts)) == len(set(denoisers)) == 3
    assert len({id(m.vae) for m in models}) == 1


def test_a_weight_is_merged_once_however_many_shots_have_it(
    folder: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = []

    def counted(*arguments: Any) -> Any:
        merges.append(1)
        return merged(*arguments)

    monkeypatch.setattr("sdbatch.engine.merge.merged", counted)
    opened = engine.open(source(folder, adapters=adapters(files)), Runtime(device="cpu", threads=1, rows=4))
    shots = [with_loras(files, ("unet", w), seed=s, steps=2) for s in range(4) for w in (0.25, 0.5)]
    render(opened, shots)
    assert len(merges) == 2


def test_within_a_small_budget_pictures_are_the_same(small: Any, folder: Path, files: dict[str, Path]) -> None:
    opened = engine.open(
        source(folder, adapters=adapters(files)), Runtime(device="cpu", threads=1, rows=4, weights=1e-6)
    )
    shots = [with_loras(files, (name, 1.0), steps=2) for name in ("lokr", "unet", "text", "lokr_split")]
    expected = render(small, shots)
    assert all(np.array_equal(pixels(p), pixels(expected[k])) for k, p in render(opened, shots).items())
    assert len(opened._weights.in_memory) < len(shots)


def test_stored_pictures_are_enlarged_without_their_weights(small: Any, files: dict[str, Path]) -> None:
    """No other shot of the run has these LoRAs."""
    firsts = [with_loras(files, ("unet", 0.375), seed=seed) for seed in range(2)]
    feed = ListFeed([one for first in firsts for one in passed(first, (Pass(2),))], small.bucket)
    feed.pictures = {first.id: np.zeros((64, 64, 3), np.uint8) for first in firsts}
    before = set(small._weights.in_memory)
    assert [pixels(result).shape for result in small.render(feed)] == [(128, 128, 3)] * 2
    assert set(small._weights.in_memory) == before


def test_a_lora_that_does_not_fit_or_is_not_there_is_named(small: Any, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "wide.safetensors", "kohya", modules={Q: (64, 64)})
    path = tmp_path / "wide.safetensors"
    opened = engine.open(source(folder, adapters={digest_of(path): path}), Runtime(device="cpu", threads=1, rows=4))
    with pytest.raises(ConfigError, match=r"'wide\.safetensors' does not fit: .* of another shape"):
        opened.bucket(with_loras({"wide": path}, ("wide", 1.0)))
    with pytest.raises(ConfigError, match="the file of ink is not known in this run"):
        opened.bucket(shot(model=Model("b2:test", loras=(Lora("b2:no", 1.0, name="ink"),))))


# ---- textual inversions


@pytest.fixture(scope="module")
def vectors(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Textual inversions that are the vectors of words, so that their pictures are known."""
    (path,) = (folder / "text_encoder").glob("*.safetensors")
    table = next(v for k, v in load_file(path).items() if k.endswith("token_embedding.weight"))
    out = tmp_path_factory.mktemp("embeddings")
    for name, words, layout in (("dusk", WORDS, "emb_params"), ("<dawn>", "cat", "<dawn>")):
        rows = table[Vocabulary.load(CLIP).encode(words)]
        save_file({layout: rows[0] if layout == "<dawn>" else rows}, out / f"{name}.safetensors")
    return {path.stem: path for path in out.iterdir()}


def named(vectors: dict[str, Path], *names: str) -> tuple[Embedding, ...]:
    counts = {"dusk": 4, "<dawn>": 1}
    return tuple(Embedding(name, digest_of(vectors[name]), counts[name]) for name in names)


@pytest.mark.parametrize(
    ("prompt", "negative"),
    [
        ("a dusk", ""),
        ("(a Dusk:1.2), sea", ""),
        ("a <dawn> AND dusk", "dusk"),
        ("sea " * 70 + "dusk BREAK dusk", ""),
    ],
)
def test_vectors_take_the_places_of_their_name(
    folder: Path, vectors: dict[str, Path], prompt: str, negative: str
) -> None:
    opened = engine.open(source(folder, adapters=adapters(vectors)), Runtime(device="cpu", threads=1, rows=4))
    known = named(vectors, "dusk", "<dawn>")
    step = {"steps": 2, "step_syntax": "AND" in prompt}
    with_names = shot(prompt=prompt, negative=negative, embeddings=known, **step)
    plain = [re.sub("dusk", WORDS, text, flags=re.I).replace("<dawn>", "cat") for text in (prompt, negative)]
    with_words = shot(prompt=plain[0], negative=plain[1], **step)
    ignored = replace(with_names, embeddings=())
    found = render(opened, [with_names, with_words, ignored])
    assert np.array_equal(pixels(found[with_names.id]), pixels(found[with_words.id]))
    assert not np.array_equal(pixels(found[with_names.id]), pixels(found[ignored.id]))


def test_a_text_encoder_with_a_lora_reads_them_too(
    folder: Path, files: dict[str, Path], vectors: dict[str, Path]
) -> None:
    paths = adapters(files) | adapters(vectors)
    opened = engine.open(source(folder, adapters=paths), Runtime(device="cpu", threads=1, rows=4))
    own = with_loras(files, ("text", 1.0), prompt="a dusk", embeddings=named(vectors, "dusk"))
    plain = replace(own, prompt="a red sky over hills", embeddings=())
    found = render(opened, [own, plain, replace(own, model=Model("b2:test"))])
    assert np.array_equal(pixels(found[own.id]), pixels(found[plain.id]))
    assert len({pixels(p).tobytes() for p in found.values()}) == 2


def test_a_file_that_is_not_known_fails_its_shots_only(small: Any) -> None:
    lost = shot(prompt="a dusk", embeddings=(Embedding("dusk", "b2:no", 3),))
    found = render(small, [lost, shot()])
    assert isinstance(found[shot().id], Picture)
    assert "the file of dusk is not known" in str(found[lost.id])
