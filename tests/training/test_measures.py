"""The second generation's measures: sharpness, films, the reader and the judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from tests.training.scenes import plain
from training.fit import Recipe
from training.second import (
    bars,
    film,
    judge,
    perceptual,
    reader,
    sharpness,
)
from training.second.painter import paint
from training.second.scene import (
    PARTS,
    Thing,
    draw_scene,
    held_out,
)

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("training_settings")


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
    cat = {"left": "cat", "right": "house", "left colour": "black", "right colour": "red"}
    turned = {"left": "house", "right": "cat", "left colour": "red", "right colour": "blue"}
    alone = {"left": reader.ALONE, "right": reader.ALONE}
    shares = {"sides": 50.0, "both": 100.0, "colours": 50.0}
    assert reader.sides([cat, turned, alone], [cat, cat, alone]) == {"pictures": 2, **shares}


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


def test_reader_continues_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "RECIPE", Recipe(steps=4, rate=1e-3, batch=2, warm_up=1))
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
    assert reader.truth(two)["right colour"] == reader.truth(two, mirrored=True)["left colour"] == "black"
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
