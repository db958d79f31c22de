"""The second generation's painter, captions, measures and trainings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageFilter
from safetensors.torch import save_file

from sdbatch.config.model import ModelSettings
from sdbatch.engine.load import load
from sdbatch.models import locate
from training.denoiser import MIN_SNR, debiased, min_snr, remaining
from training.export import standardise
from training.fit import Fit, Recipe, learning_rate, mean_of, run
from training.muon import orthogonal
from training.render import MODEL
from training.second import (
    autoencoder,
    bars,
    captions,
    denoiser,
    easel,
    film,
    judge,
    latents,
    lexicon,
    pack,
    perceptual,
    reader,
    sharpness,
    train,
)
from training.second.painter import SUBJECTS as DRAWN
from training.second.painter import camera, lay_out, paint
from training.second.scene import (
    BACKDROPS,
    COLOURED,
    PARTS,
    SIZES,
    SKIES,
    SUBJECTS,
    WEATHERS,
    WIDTHS,
    Scene,
    Thing,
    draw_scene,
    held_out,
)
from training.words import write_tokenizer

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("training_settings")


def plain(seed: int, **changes: object) -> Scene:
    """A square scene of one subject at zoom 1, with changes."""
    base = replace(draw_scene(seed, "1:1"), weather="clear", zoom=1.0, part="", second=None, side="")
    return replace(base, **changes)  # type: ignore[arg-type]


# ---- the painter


@pytest.mark.parametrize("ratio", SIZES)
def test_painter_keeps_size_and_is_deterministic(ratio: str) -> None:
    scene = draw_scene(7, ratio)
    picture = paint(scene)
    assert picture.shape == (scene.size[1], scene.size[0], 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, paint(draw_scene(7, ratio)))
    assert not np.array_equal(picture, paint(draw_scene(8, ratio)))
    assert all(side % 16 == 0 for side in scene.size)
    assert 0.9 < scene.size[0] * scene.size[1] / 256**2 < 1.1


def _painted(scene: Scene, changes: dict[str, Any]) -> bytes:
    return paint(replace(scene, **changes)).tobytes()


def test_every_attribute_is_drawn_and_changes_the_picture() -> None:
    assert set(DRAWN) == set(SUBJECTS) == set(WIDTHS) == set(PARTS)
    assert len(SUBJECTS) >= 16
    base = plain(5, sky="day", backdrop="sea", subject="torii", colour="red")
    changes = {"sky": SKIES, "backdrop": BACKDROPS, "subject": SUBJECTS, "weather": WEATHERS, "colour": ("red", "blue")}
    for name, values in changes.items():
        assert len({_painted(base, {name: value}) for value in values}) == len(values), name


@pytest.mark.parametrize("subject", COLOURED)
def test_colour_shows_on_the_subject(subject: str) -> None:
    """Between a red and a blue subject the picture changes most towards blue, and only there."""
    scene = plain(6, sky="day", backdrop="snow", subject=subject, body="none")
    red, blue = (paint(replace(scene, colour=colour)).astype(int) for colour in ("red", "blue"))
    changed = np.abs(red - blue).sum(axis=2) > 60
    assert 0.002 < changed.mean() < 0.5
    assert (blue - red)[changed][:, 2].mean() > 40 > -40 > (blue - red)[changed][:, 0].mean()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_coming_near_shows_the_same_scene_with_more_in_it(subject: str) -> None:
    scene = plain(11, subject=subject, sky="day", body="none")
    far, near = paint(scene), paint(replace(scene, zoom=2.0))
    assert sharpness.nested(far, near, 2.0) > 0.9
    part = next(iter(PARTS[subject]))
    close = paint(replace(scene, zoom=5.0, part=part))
    assert len(np.unique(close.reshape(-1, 3) // 8, axis=0)) > 40
    (place,) = lay_out(scene).places
    x, y = camera(replace(scene, zoom=5.0, part=part), lay_out(scene))
    dx, dy = PARTS[subject][part]
    assert abs(place.x + dx * place.size - x) < 0.1 > abs(place.y + dy * place.size - y)


def test_close_pictures_are_sharper_than_enlarged_ones() -> None:
    scene = plain(3, subject="house", sky="day", backdrop="mountains")
    near = paint(replace(scene, zoom=4.0))
    middle = Image.fromarray(paint(scene)).crop((96, 96, 160, 160)).resize((256, 256), Image.Resampling.BICUBIC)
    assert sharpness.edge_width(near) < 0.6 * sharpness.edge_width(np.asarray(middle))


def test_two_subjects_stand_on_their_sides() -> None:
    for side, first_left in (("left", True), ("right", False)):
        scene = plain(9, subject="cat", colour="black", second=Thing("house", "red"), side=side)
        at = {place.subject: place.x for place in lay_out(scene).places}
        assert (at["cat"] < at["house"]) == first_left
        without = paint(replace(scene, second=Thing("pine", "green"))).astype(int)
        changed = np.abs(paint(scene).astype(int) - without).sum(axis=(0, 2))
        assert (changed[:128].sum() < changed[128:].sum()) == first_left


def test_weather_and_lamps_show() -> None:
    scene = plain(4, subject="house", backdrop="forest", sky="day", clouds=0, body="none")
    bright = {w: paint(replace(scene, weather=w)).astype(int) for w in WEATHERS}
    for weather in WEATHERS[1:]:
        assert np.abs(bright[weather] - bright["clear"]).mean() > 0.4, weather
    near = replace(scene, zoom=5.0, part="window")
    night = paint(replace(near, sky="night")).astype(int)
    warm = (night[..., 0] > 200) & (night[..., 2] < 190)
    assert warm.mean() > 0.02


def test_several_processes_paint_the_same() -> None:
    scenes = [draw_scene(i) for i in range(3)]
    assert all(np.array_equal(a, paint(s)) for a, s in zip(easel.paint_all(scenes, 2), scenes, strict=True))


def test_held_out_combinations_never_occur_unasked() -> None:
    assert not any(held_out(s.sky, s.backdrop, s.subject) for s in map(draw_scene, range(500)))
    assert all(held_out(s.sky, s.backdrop, s.subject) for s in (draw_scene(i, unseen=True) for i in range(50)))
    share = np.mean([held_out(a, b, c) for a in SKIES for b in BACKDROPS for c in SUBJECTS])
    assert 0.05 < share < 0.2


# ---- captions


def _has(text: str, phrase: str) -> bool:
    return re.search(rf"(?<![a-z]){re.escape(phrase)}(?![a-z])", text) is not None


@pytest.mark.parametrize("name", ["sky", "backdrop", "weather", "body"])
def test_captions_say_only_what_is_there(name: str) -> None:
    tables = {
        "sky": (lexicon.SKY_WORDS, lexicon.SKY_PLACES),
        "backdrop": (lexicon.BACKDROP_WORDS, lexicon.BACKDROP_PLACES),
        "weather": (lexicon.WEATHER_WORDS,),
        "body": (lexicon.BODY_WORDS,),
    }[name]
    for seed in range(400):
        scene = draw_scene(seed)
        own, text = getattr(scene, name), captions.caption(scene, np.random.default_rng(seed))
        for table in tables:
            for phrase in {p for value, ps in table.items() if value != own for p in ps} - set(table.get(own, ())):
                found = _has(text, phrase) if len(phrase.split()) > 1 else phrase in text.split(", ")
                assert not found, (text, phrase)


def test_captions_name_subjects_colours_and_sides() -> None:
    for seed in range(600):
        scene = draw_scene(seed)
        said = captions.plain_caption(scene)
        for thing in (scene, scene.second) if scene.second else (scene,):
            assert captions.plain_name(thing) in said
            if thing.subject in COLOURED:
                assert thing.colour in captions.plain_name(thing)
        text = captions.caption(scene, np.random.default_rng(seed))
        if scene.second is None:
            assert " left" not in text
            assert " right" not in text
            continue
        nouns = {"left": scene.subject if scene.side == "left" else scene.second.subject}
        nouns["right"] = scene.subject if scene.side == "right" else scene.second.subject
        for side, subject in nouns.items():
            match = re.search(rf"([^,]*?)(?: on the)? {side}", re.sub(rf".* and (?=.*{side})", "", text))
            if match and scene.subject != "girl" and scene.second.subject != "girl":
                assert any(noun in match[1] for noun in lexicon.NOUNS[subject]), (text, side, subject)


def test_the_word_clouds_means_clouds() -> None:
    """Otherwise a negative prompt that names them could not take them away."""
    for seed in range(1500):
        scene = draw_scene(seed)
        text = captions.caption(scene, np.random.default_rng(seed))
        if not scene.clouds:
            assert not _has(text, "clouds"), text
            assert not _has(text, "cloudy"), text


def test_captions_know_the_distance() -> None:
    near = replace(draw_scene(1, "1:1"), zoom=8.0, subject="house", colour="red", part="window", second=None, side="")
    texts = [captions.caption(near, np.random.default_rng(i)) for i in range(200)]
    told = [t for t in texts if "zoom 8." in t or any(_has(t, w) for w in lexicon.DISTANCE_WORDS["detail"])]
    assert len(told) > 120
    assert sum(_has(t, "window") for t in texts) > 100
    far = [captions.caption(replace(near, zoom=0.7, part=""), np.random.default_rng(i)) for i in range(200)]
    assert not any(_has(t, "close up") or _has(t, "macro") for t in far)


def test_captions_vary_and_fit() -> None:
    scene = draw_scene(1)
    texts = [captions.caption(scene, np.random.default_rng(i)) for i in range(60)]
    assert len(set(texts)) > 45
    many = [captions.caption(draw_scene(i), np.random.default_rng(i)) for i in range(1000)]
    assert max(len(captions.tokens_of(t)) for t in many) <= captions.MAX_TOKENS


def test_tokenizer_gives_one_token_per_known_word(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path, captions.vocabulary())
    for word in captions.vocabulary():
        assert tokenizer.tokenize(word) == [word + "</w>"]


# ---- measures


def test_blur_widens_edges_and_takes_energy() -> None:
    picture = paint(plain(2, subject="castle"))
    soft = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1.2)))
    assert sharpness.edge_width(picture) < 1.6
    assert sharpness.edge_width(soft) > 1.5 * sharpness.edge_width(picture)
    assert sharpness.gradient_energy(soft) < 0.5 * sharpness.gradient_energy(picture)
    step = np.zeros((16, 16, 3), np.uint8)
    step[:, 8:] = 200
    assert sharpness.edge_width(step) == pytest.approx(1.0)
    assert np.isnan(sharpness.edge_width(np.full((16, 16, 3), 90, np.uint8)))


def test_nested_and_echo_tell_a_zoom_from_a_copy() -> None:
    scene = plain(3)
    far, near = paint(scene), paint(replace(scene, zoom=2.0))
    assert sharpness.nested(far, near, 2.0) > 0.9 > sharpness.nested(far, far, 2.0)
    assert sharpness.echo(far, near) < 0.3
    assert sharpness.echo(far, far) == pytest.approx(1.0)


def test_a_film_of_one_scene_differs_from_one_that_repeats_itself() -> None:
    zooms = np.geomspace(1, 4, 9).tolist()
    one = [paint(plain(3, zoom=zoom)) for zoom in zooms]
    same = film.consistency([one[0]] * 9, zooms)
    good = film.consistency(one, zooms)
    assert good["nested_worst"] > 0.8
    assert good["echo"] < 0.4
    assert same["echo"] > 0.9
    cut = film.consistency([*one[:5], *(np.roll(f[::-1], 60, axis=1) for f in one[5:])], zooms)
    assert cut["jump"] > 1.5 * good["jump"]
    assert cut["nested_worst"] < good["nested_worst"] - 0.2
    seen = [{"distance": d} for d in ("middle", "middle", "near", "detail")]
    assert film.comes_near(seen, [1, 2, 3, 4], 2) == pytest.approx(66.7)


def test_perceptual_distance_grows_with_blur() -> None:
    found = perceptual.find()
    if found is None:
        pytest.skip("stlpips_pytorch is not installed, which is no dependency")
    distance, picture = perceptual.Distance(found), paint(plain(2, subject="castle"))
    soft = [np.array(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(r))) for r in (0.7, 2.0)]
    assert distance(picture, picture) == pytest.approx(0, abs=1e-6)
    assert 0 < distance(picture, soft[0]) < distance(picture, soft[1])


def test_sides_are_counted() -> None:
    cat = {"left": "cat", "right": "house"}
    turned = {"left": "house", "right": "cat"}
    alone = {"left": reader.ALONE, "right": reader.ALONE}
    assert reader.sides([cat, turned, alone], [cat, cat, alone]) == {"pictures": 2, "sides": 50.0, "both": 100.0}


def test_asked_scenes_are_held_out() -> None:
    for two in (False, True):
        scenes = judge.asked(4, 0, "1:1", two)
        assert all(held_out(s.sky, s.backdrop, s.subject) and (s.second is not None) == two for s in scenes)


def test_bars_tell_what_is_missed_and_what_is_worse() -> None:
    good = {"sky": 99.0, "backdrop": 96.0, "subject": 96.0, "colour": 97.0}
    found = {
        "generated": {"all": good, "ratios": {"1:1": good, "21:9": {**good, "colour": 90.0}}},
        "negatives": [{"negative": "clouds", "removed": 85.0}],
        "two": {"sides": 70.0},
        "autoencoder": {"psnr_db": 31.5, "edge_ratio": 1.2},
        "sharpness": {"edge_ratio": 1.7},
        "seconds_per_picture": 1.0,
    }
    missed = [row.name for row in bars.rows(found) if not row.reached]
    assert missed == [
        "every ratio beside 1:1, points below it",
        "two subjects on the right sides, %",
        "edge width in generated pictures, times drawn",
    ]
    assert bars.table(bars.rows(found)).count("missed") == 3
    old = {"generated": {"all": {**good, "backdrop": 99.2}}, "autoencoder": {"psnr_db": 26.4}}
    assert bars.worse(found, old) == {"backdrop": (96.0, 99.2)}


# ---- trainings


def test_the_grown_autoencoder_starts_as_the_old_one() -> None:
    torch.manual_seed(0)
    old = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)
    new = autoencoder.grow(old, autoencoder.build())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        was, now = old.encode(x).latent_dist.mode(), new.encode(x).latent_dist.mode()
        assert torch.allclose(was, now[:, :4], atol=1e-5)
        assert now[:, 4:].std() > 0.01
        assert torch.allclose(old.decode(was).sample, new.decode(now).sample, atol=1e-4)


def test_a_stopped_training_keeps_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "quality", lambda _: (0.0, 0.0))
    monkeypatch.setattr(autoencoder, "CROP", 32)
    recipe = replace(SHORT, hold=2.0, keep_every=100)
    told = iter([False, True, False, False])
    said: list[str] = []
    autoencoder.train(tmp_path, recipe, CPU, pictures=3, stop=lambda: next(told), say=said.append)
    assert "stopped at step 2" in said[-1]
    autoencoder.train(tmp_path, recipe, CPU, pictures=3, say=said.append)
    assert "autoencoder: goes on at step 2" in said
    autoencoder.train(tmp_path / "once", recipe, CPU, pictures=3, say=said.append)
    a, b = (mean_of(folder / "autoencoder.safetensors") for folder in (tmp_path, tmp_path / "once"))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_budget_plans_the_steps_from_the_measured_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("training.fit.time.monotonic", lambda: next(clock))
    module = torch.nn.Linear(1, 1)
    fit = Fit(module, replace(SHORT, steps=10_000, keep_every=1))
    said: list[str] = []
    run(fit, tmp_path / "x.safetensors", lambda m, *_: m(torch.ones(1)).square().sum(), budget=20, say=said.append)
    assert any("planned" in line for line in said)
    assert fit.step < 30
    assert fit.recipe.steps == fit.step


def test_one_command_trains_and_exports_what_the_engine_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "quality", lambda _: (0.0, 0.0))
    monkeypatch.setattr(autoencoder, "CROP", 32)
    monkeypatch.setattr(latents, "SHARD", 2)
    monkeypatch.setattr(train, "fresh", lambda: (paint(draw_scene(i)) for i in range(2)))
    amounts = ["--vae-steps", "1", "--steps", "1", "--shards", "1", "--pictures", "3", "--device", "cpu"]
    with pytest.raises(SystemExit) as stopped:
        train.main(["--out", str(tmp_path), *amounts, "--seconds", "0"])
    assert stopped.value.code == train.STOPPED
    train.main(["--out", str(tmp_path), *amounts])
    source = locate.locate(ModelSettings(kind="local", path=str(tmp_path / "model")))
    assert source.model.channels == autoencoder.CHANNELS
    parts = load(source, CPU, torch.float32)
    with torch.no_grad():
        z = torch.zeros(1, autoencoder.CHANNELS, 8, 8)
        assert parts.vae.decode(z).sample.shape == (1, 3, 64, 64)
    packed = pack.pack(tmp_path, tmp_path / "packed")
    assert all(path.stat().st_size < 15_000_000 for path in packed)
    start = ["--start", str(tmp_path / "packed"), "--stages", "vae"]
    train.main(["--out", str(tmp_path / "again"), *amounts, *start])
    was, now = (mean_of(folder / "autoencoder.safetensors") for folder in (tmp_path, tmp_path / "again"))
    assert all(torch.allclose(was[key], now[key], atol=0.02) for key in was)
    train.main(["--out", str(tmp_path / "other"), *amounts, "--start", str(tmp_path / "packed"), "--stages", "export"])
    assert load(locate.locate(ModelSettings(kind="local", path=str(tmp_path / "other" / "model"))), CPU, torch.float32)
    weights, model = (pack.unpacked(tmp_path / name, "denoiser") for name in ("packed", "model"))
    assert weights.keys() == model.keys()
    assert all(torch.equal(weights[key], model[key]) for key in weights)
    files = list((tmp_path / "model").rglob("*.safetensors"))
    assert sum(p.stat().st_size for p in files) <= 32_000_000


def test_rate_is_held_and_falls() -> None:
    recipe = Recipe(steps=100, rate=1.0, batch=1, warm_up=10, hold=0.8)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[10:80] == [1.0] * 70
    assert rates[80:] == sorted(rates[80:], reverse=True)
    assert rates[-1] < 0.05


def test_muon_makes_matrices_orthogonal_and_fits() -> None:
    torch.manual_seed(0)
    for shape in ((8, 30), (30, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert 0.6 < values.min() <= values.max() < 1.3
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 8, 3), torch.nn.SiLU(), torch.nn.Conv2d(8, 1, 3))
    x = torch.randn(16, 2, 9, 9)
    wanted = x[:, :1, 2:-2, 2:-2] * x[:, 1:, 2:-2, 2:-2]
    recipe = Recipe(steps=150, rate=1e-2, batch=1, warm_up=5, optimizer="muon")
    fit = Fit(module, recipe)
    losses = [fit.update(lambda m, *_: (m(x) - wanted).square().mean()) for _ in range(150)]
    assert losses[-1] < 0.65 * losses[0]


# With `final` at 1 the rate does not depend on the number of steps, so stopping early is the same as being stopped.
SHORT = Recipe(steps=4, rate=1e-3, batch=2, warm_up=1, final=1.0, keep_every=2, optimizer="muon")


def test_autoencoder_continues_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "quality", lambda _: (0.0, 0.0))
    monkeypatch.setattr(autoencoder, "CROP", 32)
    for name, stops in (("once", (4,)), ("twice", (2, 4))):
        for stop in stops:
            recipe = replace(SHORT, steps=stop, hold=2.0)
            autoencoder.train(tmp_path / name, recipe, CPU, pictures=3, say=lambda _: None)
    a, b = (mean_of(tmp_path / name / "autoencoder.safetensors") for name in ("once", "twice"))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_denoiser_trains_on_cached_latents_and_continues_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latents, "SHARD", 2)
    torch.manual_seed(0)
    vae = standardise(autoencoder.build(), [paint(draw_scene(i)) for i in range(2)])
    latents.prepare(vae, tmp_path / "latents", 3, 0, device=CPU, say=lambda _: None)
    shelf = latents.Shelf(tmp_path / "latents", 3, 0)
    assert all(part.shape[1] == autoencoder.CHANNELS for part in shelf.stacked.values())
    tokenizer = write_tokenizer(tmp_path / "tokenizer", captions.vocabulary())
    for name, stops in (("once", (3,)), ("twice", (2, 3))):
        for stop in stops:
            recipe = replace(SHORT, steps=stop)
            denoiser.train(
                tmp_path / name, recipe, shelf=shelf, tokenizer=tokenizer, device=CPU, parts=1, say=lambda _: None
            )
    a, b = (mean_of(tmp_path / name / "denoiser.safetensors") for name in ("once", "twice"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not any(torch.isnan(value).any() for value in a.values())
    how = {"shelf": shelf, "tokenizer": tokenizer, "device": CPU, "parts": 1, "say": lambda _: None}
    denoiser.train(tmp_path / "early", replace(SHORT, steps=3), early=0.5, **how)
    early = mean_of(tmp_path / "early" / "denoiser.safetensors")
    assert not all(torch.equal(a[key], early[key]) for key in a)


def test_pairs_come_more_often_than_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latents, "SHARD", 40)
    save_file({"latents": torch.zeros(40, 1, 4, 4)}, str(tmp_path / "0000.safetensors"))
    shelf = latents.Shelf(tmp_path, 1, 0)
    pairs = np.array([scene.second is not None for scene in shelf.scenes["1:1"]])
    picked = pairs[shelf.pick(np.random.default_rng(1), "1:1", 5000)].mean()
    assert 0 < pairs.mean() < 0.9
    assert picked == pytest.approx(2.5 * pairs.mean() / (1 + 1.5 * pairs.mean()), abs=0.03)


def test_the_decoder_alone_is_fitted_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "quality", lambda _: (0.0, 0.0))
    monkeypatch.setattr(autoencoder, "CROP", 32)
    for name, stops in (("once", (3,)), ("twice", (2, 3))):
        autoencoder.train(tmp_path / name, replace(SHORT, steps=1), CPU, pictures=3, say=lambda _: None)
        before = {k: v.clone() for k, v in autoencoder.restore(tmp_path / name, None, CPU).state_dict().items()}
        for stop in stops:
            vae = autoencoder.restore(tmp_path / name, None, CPU)
            recipe = replace(SHORT, steps=stop, hold=2.0)
            autoencoder.finish(tmp_path / name, vae, recipe, pictures=3, say=lambda _: None)
    a, b = (mean_of(tmp_path / name / "decoder.safetensors") for name in ("once", "twice"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    after = autoencoder.restore(tmp_path / "once", None, CPU).state_dict()
    changed = {key for key in after if not torch.equal(before[key], after[key])}
    assert changed
    assert {key.partition(".")[0] for key in changed} <= {"decoder", "post_quant_conv"}


def test_half_the_error_is_six_decibels() -> None:
    error = torch.full((2, 3, 8, 8), 0.2)
    less = (autoencoder.decibels(error) - autoencoder.decibels(error / 2)).item()
    assert 10 / np.log(10) * less == pytest.approx(20 * np.log10(2), abs=1e-4)


def test_early_weights_are_larger_where_there_is_more_noise() -> None:
    kept = remaining()
    snr = kept / (1 - kept)
    ratio = debiased(snr) / min_snr(snr)
    assert torch.allclose(ratio[snr > MIN_SNR], torch.ones((), dtype=ratio.dtype))
    assert torch.all(ratio.diff() > -1e-9)
    assert 30 < ratio[-1] < 35


def test_the_denoiser_borrows_words_and_layers(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path, captions.vocabulary())
    module = denoiser.Denoiser(len(tokenizer), autoencoder.CHANNELS)
    denoiser.borrow_words(module.text_encoder, tokenizer, MODEL)
    new = denoiser.borrow_layers(module.unet, MODEL)
    assert not any(name.startswith(("down_blocks.0.", "down_blocks.1.", "mid_block.", "up_blocks.3.")) for name in new)
    assert any(name.startswith("down_blocks.3.") for name in new)
    fresh = module.unet.state_dict()["conv_out.weight"]
    assert fresh[4:].abs().sum() == 0
    assert fresh[:4].abs().sum() > 0


def test_reader_continues_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "RECIPE", replace(SHORT, steps=4))
    for name, stops in (("once", (2,)), ("twice", (1, 2))):
        monkeypatch.setattr(reader, "WEIGHTS", tmp_path / f"{name}.safetensors")
        for steps in stops:
            kept = reader.train(tmp_path / name, CPU, steps=steps, say=lambda _: None)
    assert (tmp_path / "once.safetensors").read_bytes() == (tmp_path / "twice.safetensors").read_bytes()
    (seen,) = reader.read(kept, [paint(draw_scene(1))])
    assert set(seen) == set(reader.HEADS)
    assert (tmp_path / "once.safetensors").stat().st_size < 2_000_000


def test_reader_learns_from_what_can_be_seen() -> None:
    close = replace(plain(1), zoom=8.0, part=next(iter(PARTS[plain(1).subject])))
    assert "sky" not in reader.truth(close)
    two = replace(plain(1, subject="cat", colour="black"), second=Thing("pine", "green"), side="right")
    assert reader.truth(two)["left"] == "pine"
    assert reader.truth(two, mirrored=True)["right"] == "pine"
    assert reader.lesson(3, 2) == reader.lesson(3 + reader.LESSONS, 2)
    assert "subject" not in reader.truth(two)
    many = [scene for step in range(20) for scene in reader.lesson(step, 24)]
    assert len({scene.seed for scene in many}) == len(many)
    assert 0.4 < np.mean([0.84 <= scene.zoom <= 1.2 for scene in many]) < 0.9
    assert np.mean([scene.second is not None for scene in many]) > 0.4
    scenes = reader.lesson(3, 2)
    loss = reader.reader_loss(reader.Reader(), scenes, np.stack([paint(s) for s in scenes]), 3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert 5 < loss.item() < 40
