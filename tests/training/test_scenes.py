"""The second generation's painter and the words of its captions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.scenes import plain
from training.second import (
    captions,
    easel,
    lexicon,
    sharpness,
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


def test_a_caption_of_one_subject_alone_means_one() -> None:
    """One of two subjects alone in a caption taught that "yellow windmill" is two windmills."""
    one = plain(3, subject="windmill", colour="yellow")
    two = replace(one, second=Thing("fox", "orange"), side="left")
    said = {scene: {captions._alone(np.random.default_rng(n), scene) for n in range(400)} for scene in (one, two)}
    assert any("windmill" in text for text in said[one])
    assert not [text for text in said[two] if re.search("mill|fox", text)]


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
