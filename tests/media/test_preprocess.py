"""Preprocessors of control pictures, on drawn scenes and on shapes whose edges are known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdbatch.imaging import preprocess
from sdbatch.imaging.preprocess import PREPROCESSORS, Pixels
from sdbatch.media.control_picture import control_picture
from training.painter import paint
from training.scene import draw_scene

SCENES = [paint(draw_scene(seed, "4:3")) for seed in (3, 4)]
LINES = ("canny", "scribble", "lineart")


def disc(size: int = 96, inside: int = 40, outside: int = 220) -> Pixels:
    image = Image.new("L", (size, size), outside)
    ImageDraw.Draw(image).ellipse((size // 4, size // 4, size * 3 // 4, size * 3 // 4), fill=inside)
    return np.asarray(image.convert("RGB"))


def fine(picture: Pixels) -> float:
    """How much pixels differ from the mean of their four."""
    four = picture.reshape(picture.shape[0] // 2, 2, picture.shape[1] // 2, 2, 3).astype(float)
    return float(np.abs(four - four.mean((1, 3), keepdims=True)).mean())


def from_edge(picture: Pixels) -> np.ndarray:
    """The distance of every white pixel from the disc's outline."""
    y, x = np.nonzero(picture[..., 0] > 127)
    middle, radius = picture.shape[0] / 2, picture.shape[0] / 4
    distance: np.ndarray = np.abs(np.hypot(x - middle, y - middle) - radius)
    return distance


@pytest.mark.parametrize("name", PREPROCESSORS)
@pytest.mark.parametrize("scene", SCENES, ids=["first", "second"])
def test_sizes_are_kept_and_pictures_differ(name: str, scene: Pixels) -> None:
    before = scene.copy()
    found = PREPROCESSORS[name](scene)
    assert found.shape == scene.shape
    assert found.dtype == np.uint8
    assert np.array_equal(scene, before)
    assert np.array_equal(found, PREPROCESSORS[name](scene))
    assert np.array_equal(found, scene) == (name == "none")
    if name in (*LINES, "threshold"):
        assert np.array_equal(found[..., 0], found[..., 1])
        assert 0.01 < (found > 127).mean() < (0.9 if name == "threshold" else 0.35)


def test_lines_are_where_the_edges_are() -> None:
    for name, widest in (("canny", 2), ("scribble", 6), ("lineart", 24)):
        near = from_edge(PREPROCESSORS[name](disc()))
        assert len(near) > 100
        assert near.max() <= widest, name
    assert not PREPROCESSORS["canny"](np.full((32, 32, 3), 90, np.uint8)).any()
    assert not PREPROCESSORS["lineart"](np.full((32, 32, 3), 90, np.uint8)).any()
    assert not PREPROCESSORS["scribble"](disc(inside=216)).any()  # next to no contrast


def test_lineart_says_how_strong_a_line_is() -> None:
    paper = np.full((64, 64, 3), 250, np.uint8)
    paper[16:18, 8:56], paper[40:42, 8:56] = 20, 140
    found = PREPROCESSORS["lineart"](paper)[..., 0]
    assert found[16, 32] > found[40, 32] > 60 > found[28, 32]


def test_tones_and_colours() -> None:
    pixels = disc()
    assert np.array_equal(PREPROCESSORS["threshold"](pixels) > 0, pixels > 127)
    assert np.array_equal(PREPROCESSORS["invert"](PREPROCESSORS["invert"](SCENES[0])), SCENES[0])
    mosaic = PREPROCESSORS["color"](SCENES[0])
    assert len(np.unique(mosaic.reshape(-1, 3), axis=0)) <= 8 * 11
    assert np.abs(mosaic.mean((0, 1)) - SCENES[0].mean((0, 1))).max() < 2
    assert fine(PREPROCESSORS["tile"](SCENES[0])) < 0.8 * fine(SCENES[0])


def test_the_picture_covers_the_size_and_clear_parts_are_white() -> None:
    wide = np.dstack([SCENES[0], np.zeros(SCENES[0].shape[:2], np.uint8)])
    found = control_picture(wide, "none", (64, 64))
    assert found.shape == (64, 64, 3)
    assert (found == 255).all()
    middle = control_picture(SCENES[0], "none", (112, 112))
    assert np.array_equal(middle, SCENES[0][:, 16:128])


def test_it_says_how_to_install_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    for name in PREPROCESSORS:
        if name in preprocess.WITHOUT_OPENCV:
            PREPROCESSORS[name](SCENES[0])
        else:
            with pytest.raises(ImportError, match=r"it needs OpenCV: pip install 'sdbatch\[control\]'"):
                PREPROCESSORS[name](SCENES[0])
