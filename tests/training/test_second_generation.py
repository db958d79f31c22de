"""The second generation's trainings: autoencoder, latents, denoiser, and one command for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
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
    captions,
    denoiser,
    latents,
    pack,
    sides,
    train,
)
from training.second.painter import paint
from training.second.scene import ALL_COLOURS, Thing, draw_scene
from training.words import write_tokenizer

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("training_settings")
# With `final` at 1 the rate does not depend on the number of steps, so stopping early is the same as being stopped.
SHORT = Recipe(steps=4, rate=1e-3, batch=2, warm_up=1, final=1.0, keep_every=2, optimizer="muon")


def test_the_grown_autoencoder_starts_as_the_old_one() -> None:
    torch.manual_seed(0)
    old = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)
    new = autoencoder.grow(old)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        was, now = old.encode(x).latent_dist.mode(), new.encode(x).latent_dist.mode()
        assert torch.allclose(was, now[:, :4], atol=1e-5)
        assert now[:, 4:].std() > 0.01
        assert torch.allclose(old.decode(was).sample, new.decode(now).sample, atol=1e-4)


def test_a_widened_autoencoder_computes_the_same_and_its_copies_part() -> None:
    torch.manual_seed(0)
    old = autoencoder.build(widths=(8, 16, 32, 48))
    new = autoencoder.build(widths=(16, 32, 64, 48))
    new.load_state_dict(autoencoder.widened(old.state_dict(), new))
    x = torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        was, now = old.encode(x).latent_dist.mode(), new.encode(x).latent_dist.mode()
        assert torch.allclose(was, now, atol=1e-5)
        assert torch.allclose(old.decode(was).sample, new.decode(was).sample, atol=1e-5)
    new.decode(was).sample.square().sum().backward()
    gradient = new.decoder.up_blocks[3].resnets[0].conv1.weight.grad
    assert gradient is not None
    assert not torch.allclose(gradient[0], gradient[1], rtol=1e-2)


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
    assert {key for key in weights if not key.startswith("colours.")} == model.keys()  # that head only trains
    assert all(torch.equal(weights[key], model[key]) for key in model)
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


def test_words_of_sides_are_looked_at_and_know_the_colour(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = write_tokenizer(tmp_path, captions.vocabulary())
    module = denoiser.Denoiser(len(tokenizer), autoencoder.CHANNELS)
    sides.watch(module)
    texts = ["red fox on the right, white cat on the left", "red fox on the left, white cat on the right"]
    texts += ["sea, castle on the left", "day sky"]
    ids = tokenizer(texts, padding="max_length", max_length=32, return_tensors="pt").input_ids
    fox = replace(draw_scene(1), subject="fox", colour="red", second=Thing("cat", "white"), side="right")
    scenes = [fox, replace(fox, side="left"), draw_scene(2), draw_scene(3)]
    wrong, size, chance = sides.Sides(tokenizer), (13, 20), torch.Generator().manual_seed(1)

    def loss_of(of: slice) -> torch.Tensor:
        words = ids[of]
        noise = torch.randn(len(words), autoencoder.CHANNELS, *size, generator=chance)
        module(noise, torch.full((len(words),), 999), words)
        return wrong(module, words, scenes[of], size[1])

    assert loss_of(slice(2, 4)).item() == 0  # neither tells both sides
    before = loss_of(slice(2))
    assert before.item() == pytest.approx(sides.WEIGHT * (np.log(32) + np.log(len(ALL_COLOURS))), rel=0.2)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss_of(slice(2)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert max(loss_of(slice(1)), loss_of(slice(1, 2))) < 0.3 * before
    named = module.colours(module.text_encoder.kept[0]).argmax(2)[0]
    at = [int((ids[1] == word).int().argmax()) for word in wrong.words]
    assert [ALL_COLOURS[int(named[place])] for place in at] == ["red", "white"]


def test_pairs_and_far_and_close_scenes_come_more_often_than_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latents, "SHARD", 40)
    save_file({"latents": torch.zeros(40, 1, 4, 4)}, str(tmp_path / "0000.safetensors"))
    shelf = latents.Shelf(tmp_path, 1, 0)
    picked = shelf.pick(np.random.default_rng(1), "1:1", 20_000)
    scenes = shelf.scenes["1:1"]
    kinds = np.array(["pair" if s.second else "usual" if s.distance in ("middle", "near") else "far" for s in scenes])
    each = {kind: np.mean(kinds[picked] == kind) / np.sum(kinds == kind) for kind in ("usual", "pair", "far")}
    assert each["pair"] == pytest.approx(2.5 * each["usual"], rel=0.1)
    assert each["far"] == pytest.approx(2 * each["usual"], rel=0.1)


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
    a, b = (mean_of(tmp_path / name / "finish.safetensors") for name in ("once", "twice"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    after = autoencoder.restore(tmp_path / "once", None, CPU).state_dict()
    changed = {key for key in after if not torch.equal(before[key], after[key])}
    assert changed
    assert {key.partition(".")[0] for key in changed} <= {"decoder", "post_quant_conv"}
    vae = autoencoder.restore(tmp_path / "once", None, CPU)
    both = autoencoder.finish(tmp_path / "both", vae, replace(SHORT, hold=2.0), encoder=True, pictures=3, say=print)
    moved = {key for key, value in both.state_dict().items() if not torch.equal(after[key], value)}
    assert {"encoder", "decoder"} <= {key.partition(".")[0] for key in moved}


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
