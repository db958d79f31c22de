"""The painter, the captions, the tokenizer and the trainings of the embedded model."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import autoencoder, captions, denoiser, latents, reader, words
from training.export import normalise
from training.fit import Recipe, mean_of
from training.group_norm import replace_norms
from training.painter import paint
from training.scene import BACKDROPS, COLOURED, SIZES, SKIES, SUBJECTS, draw_scene, held_out

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("training_settings")


@pytest.mark.parametrize("ratio", SIZES)
def test_painter_keeps_size_and_is_deterministic(ratio: str) -> None:
    scene = draw_scene(7, ratio)
    picture = paint(scene)
    assert picture.shape == (scene.size[1], scene.size[0], 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, paint(draw_scene(7, ratio)))
    assert not np.array_equal(picture, paint(draw_scene(8, ratio)))
    width, height = scene.size
    assert width % 8 == height % 8 == 0
    assert 0.9 < width * height / 128**2 < 1.1


def test_edges_are_smooth() -> None:
    """An edge between two flat areas passes through colours in between."""
    picture = paint(replace(draw_scene(3, "1:1"), sky="night", subject="lighthouse", colour="white"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500


def test_every_attribute_is_drawn_and_changes_the_picture() -> None:
    base = replace(draw_scene(5, "1:1"), sky="day", backdrop="sea", subject="torii", colour="red", weather="clear")
    for name, values in (("sky", SKIES), ("backdrop", BACKDROPS), ("subject", SUBJECTS), ("colour", ("red", "blue"))):
        changes: list[dict[str, Any]] = [{name: value} for value in values]
        pictures = {paint(replace(base, **change)).tobytes() for change in changes}
        assert len(pictures) == len(values), name


def test_held_out_combinations_never_occur_unasked() -> None:
    assert not any(held_out(s.sky, s.backdrop, s.subject) for s in map(draw_scene, range(500)))
    assert all(held_out(s.sky, s.backdrop, s.subject) for s in (draw_scene(i, unseen=True) for i in range(50)))
    share = np.mean([held_out(a, b, c) for a in SKIES for b in BACKDROPS for c in SUBJECTS])
    assert 0.05 < share < 0.2


def _has(text: str, phrase: str) -> bool:
    return re.search(rf"(?<![a-z]){re.escape(phrase)}(?![a-z])", text) is not None


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("sky", (captions.SKY_WORDS, captions.SKY_PLACES)),
        ("backdrop", (captions.BACKDROP_WORDS, captions.BACKDROP_PLACES)),
        ("subject", (captions.NOUNS,)),
        ("weather", (captions.WEATHER_WORDS,)),
        ("body", (captions.BODY_WORDS,)),
    ],
)
def test_captions_say_only_what_is_there(name: str, tables: tuple[dict[str, tuple[str, ...]], ...]) -> None:
    for seed in range(300):
        scene = draw_scene(seed)
        own = getattr(scene, name)
        text = captions.caption(scene, np.random.default_rng(seed))
        for table in tables:
            for phrase in {p for value, ps in table.items() if value != own for p in ps} - set(table.get(own, ())):
                if len(phrase.split()) > 1:
                    assert not _has(text, phrase), (text, phrase)
                else:
                    assert phrase not in text.split(", "), (text, phrase)


def test_captions_name_the_colour_that_is_there() -> None:
    nouns = "|".join(sorted({n for names in captions.NOUNS.values() for n in names}))
    of_word = {word: colour for colour, names in captions.COLOUR_WORDS.items() for word in names}
    pattern = re.compile(rf"({'|'.join(of_word)}) (?:{nouns}|{'|'.join(captions.PARTS.values())})(?![a-z])")
    said = 0
    for seed in range(600):
        scene = draw_scene(seed)
        text = captions.caption(scene, np.random.default_rng(seed))
        found = [of_word[word] for word in pattern.findall(text)]
        assert set(found) <= {scene.colour}, text
        said += len(found)
        if scene.subject in COLOURED:
            assert scene.colour in captions.plain_caption(scene)
    assert said > 300


def test_captions_vary_and_fit() -> None:
    scene = draw_scene(1)
    texts = [captions.caption(scene, np.random.default_rng(i)) for i in range(60)]
    assert len(set(texts)) > 45
    assert max(len(captions.tokens_of(t)) for t in texts) <= captions.MAX_TOKENS


def test_tokenizer_gives_one_token_per_known_word(tmp_path: Path) -> None:
    tokenizer = words.write_tokenizer(tmp_path)
    merges = words.learn_merges(captions.vocabulary())
    assert len(tokenizer) == 512 + len(merges) + 2
    for word in captions.vocabulary():
        assert tokenizer.tokenize(word) == [word + "</w>"]
    assert len(tokenizer.tokenize("quokka")) > 1
    ids = tokenizer("a red torii gate", padding="max_length", truncation=True).input_ids
    assert len(ids) == words.LENGTH
    assert ids[0] == tokenizer.bos_token_id
    assert set(ids[5:]) == {tokenizer.eos_token_id} == {tokenizer.pad_token_id}


def test_shards_hold_all_ratios() -> None:
    ratios = [latents.shard_ratio(i) for i in range(10)]
    assert ratios.count("1:1") == 3
    assert set(ratios) == set(SIZES)


# With `final` at 1 the rate does not depend on the number of steps, so stopping early is the same as being stopped.
SHORT = Recipe(steps=4, rate=1e-3, batch=4, warm_up=1, final=1.0, keep_every=2)


def test_autoencoder_continues_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "quality", lambda _: (0.0, 0.0))
    for name, stops in (("once", (4,)), ("twice", (2, 4))):
        for stop in stops:
            autoencoder.train(tmp_path / name, replace(SHORT, steps=stop), CPU, parts=2, pictures=3, say=lambda _: None)
    a, b = (mean_of(tmp_path / name / "autoencoder.safetensors") for name in ("once", "twice"))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_denoiser_trains_on_cached_latents_and_continues_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latents, "SHARD", 4)
    torch.manual_seed(0)
    vae = normalise(autoencoder.build(), 4)
    latents.prepare(vae, tmp_path / "latents", 3, 0, device=CPU, workers=2, say=lambda _: None)
    shelf = latents.Shelf(tmp_path / "latents", 3, 0)
    tokenizer = words.write_tokenizer(tmp_path / "tokenizer")
    for name, stops in (("once", (4,)), ("twice", (2, 4))):
        for stop in stops:
            denoiser.train(
                tmp_path / name,
                replace(SHORT, steps=stop),
                shelf=shelf,
                tokenizer=tokenizer,
                device=CPU,
                parts=2,
                channels=(32, 32, 32),
                say=lambda _: None,
            )
    a, b = (mean_of(tmp_path / name / "denoiser.safetensors") for name in ("once", "twice"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not any(torch.isnan(value).any() for value in a.values())


def test_reader_reads_drawn_scenes() -> None:
    accuracy = reader.own_accuracy(reader.restore(), 64)
    assert accuracy["sky"] > 95
    assert accuracy["subject"] > 90
    assert reader.WEIGHTS.stat().st_size < 1_500_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fast_norm_has_the_gradients_of_torchs_own(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 12, 20).mul(3).add(1).to(dtype).contiguous(memory_format=torch.channels_last)
    pull = torch.randn(2, 8, 12, 20)

    def gradients(fast: bool, kind: torch.dtype) -> list[torch.Tensor]:
        module = torch.nn.GroupNorm(4, 8)
        with torch.no_grad():
            module.weight.copy_(torch.linspace(-1, 2, 8))
        if fast:
            replace_norms(module)
        given = x.to(kind, copy=True).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16):
            out = module(given)
        (out.float() * pull).sum().backward()
        assert given.grad is not None
        return [out.detach().float(), given.grad.float(), *(p.grad for p in module.parameters() if p.grad is not None)]

    tolerance = 1e-5 if dtype is torch.float32 else 0.03
    for mine, theirs in zip(gradients(True, dtype), gradients(False, torch.float32), strict=True):
        assert (mine - theirs).abs().max() < tolerance * theirs.abs().max()
