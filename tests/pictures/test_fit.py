"""Pictures are brought to a size in four ways; colours under clear parts are kept."""

from __future__ import annotations

import numpy as np
import pytest

from sdbatch.pictures.fit import fitted, opaque
from sdbatch.spec.pictures import Resize

WIDE = np.repeat(np.repeat(np.array([[0, 100, 200]], np.uint8), 20, 0), 20, 1)[..., None].repeat(3, 2)  # 60 x 20


def test_equal_sizes_are_the_same_pixels() -> None:
    assert fitted(WIDE, (60, 20), "fit") is WIDE


@pytest.mark.parametrize(
    ("how", "columns"),
    [("fill", [100] * 20), ("stretch", [0, 100, 200]), ("fit", [0, 100, 200]), ("none", [100] * 20)],
)
def test_the_ways_to_a_square(how: Resize, columns: list[int]) -> None:
    """fill and none show the middle third, stretch and fit everything; fit has rows above and below."""
    found = fitted(WIDE, (20, 20), how)
    assert found.shape == (20, 20, 3)
    places = np.linspace(2, 17, len(columns)).round().astype(int)
    assert np.abs(found[10, places, 0].astype(int) - columns).max() < 15
    assert np.array_equal(found[0], found[10])  # all rows are equal, repeated or not


def test_edges_are_repeated_where_the_picture_ends() -> None:
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(fitted(small, (6, 4), "none"), np.pad(small, ((1, 1), (2, 2), (0, 0)), mode="edge"))
    assert fitted(small, (6, 2), "fit").shape == (2, 6, 3)


def test_alpha_is_scaled_beside_the_colours_and_lies_on_white() -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[..., 0], clear[:4, :, 3] = 200, 255
    half = fitted(clear, (4, 4), "fill")
    assert (half[..., 0] == 200).all()
    assert (half[0, :, 3], half[-1, :, 3]) == pytest.approx((255, 0))
    assert np.array_equal(opaque(clear)[0, 0], [200, 0, 0])
    assert np.array_equal(opaque(clear)[-1, 0], [255, 255, 255])
    assert opaque(WIDE) is WIDE
