"""Masks of users: where a picture is painted, with an edge that is soft on the outside only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sdbatch.pictures.masks import cut, filled, painted, prepared, put, softened
from sdbatch.plan.areas import Native, around
from sdbatch.spec.pictures import Area, Init, InputPicture, Mask, Sides

Pixels = NDArray[np.uint8]
PHOTO, MASK = InputPicture("photo", width=40, height=30), InputPicture("mask", width=40, height=30)
COLOURS = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
WHITE = np.zeros((30, 40), np.uint8)
WHITE[10:20, 5:15] = 255
CLEAR = np.dstack([COLOURS, 255 - WHITE])


def reader(photo: Pixels, mask: Pixels = WHITE) -> Callable[[InputPicture], Pixels]:
    return lambda picture: photo if picture == PHOTO else mask[..., None].repeat(3, 2)


def test_a_file_and_alpha_say_the_same() -> None:
    for mask, photo in ((Mask(MASK, blur=0), COLOURS), (Mask(None, blur=0), CLEAR)):
        colours, found = prepared(Init(PHOTO, 1, mask=mask), (40, 30), reader(photo))
        assert np.array_equal(colours, COLOURS)  # also under clear parts
        assert found is not None
        assert np.array_equal(found, WHITE)
    inverse = painted(Init(PHOTO, 1), Mask(MASK, 0, invert=True), (40, 30), reader(COLOURS))
    assert np.array_equal(inverse, 255 - WHITE)


def test_without_a_mask_clear_parts_are_white() -> None:
    colours, found = prepared(Init(PHOTO, 1), (40, 30), reader(CLEAR))
    assert found is None
    assert (colours[WHITE > 0] == 255).all()


def test_the_soft_edge_is_outside_and_ends() -> None:
    found = softened(WHITE, 2.0)
    assert (found[WHITE > 0] == 255).all()
    row = found[15, 15:26].astype(int)
    assert row[0] > 150
    assert (np.diff(row) <= 0).all()
    assert row[-1] == 0
    assert softened(WHITE, 0) is WHITE
    (reach,) = np.flatnonzero(softened(np.pad(WHITE, 20), 4.0)[35, 35:]).max(keepdims=True) + 1
    assert reach == 10  # 2.5 times the standard deviation


def test_sides_are_painted_with_repeated_colours() -> None:
    init = Init(PHOTO, 1, "none", Sides(left=10, bottom=5), Mask(None, blur=0))
    colours, found = prepared(init, (50, 35), reader(COLOURS))
    assert found is not None
    assert (found[:, :10] == 255).all()
    assert (found[30:] == 255).all()
    assert (found[:30, 10:] == 0).all()
    assert np.array_equal(colours[:30, 10:], COLOURS)
    assert np.array_equal(colours[:30, 0], COLOURS[:, 0])


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the mask has 40 x 20 pixels, and its picture 40 x 30"):
        painted(Init(PHOTO, 1), Mask(MASK), (40, 30), reader(COLOURS, WHITE[:20]))


@pytest.mark.parametrize(
    ("box", "padding"), [((10, 20, 5, 15), 0), ((0, 30, 0, 40), 8), ((2, 4, 30, 40), 3), ((29, 30, 0, 40), 50)]
)
def test_the_area_holds_the_mask_and_its_padding(box: tuple[int, int, int, int], padding: int) -> None:
    mask = np.zeros((300, 400), np.uint8)
    top, bottom, left, right = (n * 10 for n in box)
    mask[top:bottom, left:right] = 255
    area = around(mask, padding, Native(128, 8))
    assert 0 <= area.left <= max(0, left - padding)
    assert 0 <= area.top <= max(0, top - padding)
    assert min(400, right + padding) <= area.right <= 400
    assert min(300, bottom + padding) <= area.bottom <= 300
    assert (area.width % 8, area.height % 8) == (0, 0)
    assert abs(area.width * area.height / 128**2 - 1) < 0.1


def test_an_area_is_cut_and_put_back() -> None:
    area = Area(4, 6, 24, 26, 40, 40)
    part = cut(COLOURS, area)
    assert part.shape == (40, 40, 3)
    assert cut(WHITE, area).shape == (40, 40)
    back = put(part, area, COLOURS)
    outside = np.ones((30, 40), bool)
    outside[6:26, 4:24] = False
    assert np.array_equal(back[outside], COLOURS[outside])
    assert np.abs(back[8:24, 6:22].astype(int) - COLOURS[8:24, 6:22]).mean() < 40


def test_fill_smears_the_colours_around_into_the_mask() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30], pixels[:, 30:] = (200, 40, 0), (0, 80, 220)
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 15:45] = 255
    hidden = pixels.copy()
    hidden[mask > 0] = (0, 255, 0)  # what is under the mask does not count
    found = filled(hidden, mask)
    assert np.array_equal(found, filled(pixels, mask))
    assert np.array_equal(found[mask == 0], pixels[mask == 0])
    left, right = found[12:28, 16:20].mean((0, 1)), found[12:28, 40:44].mean((0, 1))
    assert left[0] > 150
    assert right[2] > 150
    middle = found[20, 30].astype(int)
    assert 40 < middle[0] < 160
    assert 60 < middle[2] < 180


def test_fill_of_all_is_one_colour() -> None:
    pixels = np.full((8, 8, 3), (10, 20, 30), np.uint8)
    assert np.array_equal(filled(pixels, np.full((8, 8), 255, np.uint8)), pixels)
