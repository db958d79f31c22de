"""Contact sheets: everything is there, nothing overlaps, nothing breaks them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdbatch.media import sheet, text_layout
from sdbatch.media.fonts import SHIPPED
from sdbatch.media.sheet import Cell
from sdbatch.spec.renderer import Pixels

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200), (200, 0, 200)]


def _cell(colour: tuple[int, int, int], width: int = 320, height: int = 180) -> Cell:
    return Cell(lambda: np.full((height, width, 3), colour, np.uint8))


def _area(pixels: Pixels, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a colour."""
    y, x = np.nonzero((pixels == colour).all(axis=-1))
    return y.min(), y.max() + 1, x.min(), x.max() + 1


def test_every_picture_is_in_its_row_and_column() -> None:
    out = sheet.sheet([_cell(c) for c in COLOURS], ["4", "6", "8"], ["euler", "ddim"], "a sweep")
    assert out.dtype == np.uint8
    areas = [_area(out, c) for c in COLOURS]
    for i, (top, bottom, left, right) in enumerate(areas):
        assert (bottom - top, right - left) == (180, 320)
        assert top == areas[i - i % 3][0]
        assert left == areas[i % 3][2]
    assert areas[0][3] < areas[1][2]
    assert areas[0][1] < areas[3][0]
    assert (out[:16] == out[0, 0]).all()  # margins are empty
    assert (out[:, :16] == out[0, 0]).all()
    assert (out[-16:] == out[0, 0]).all()
    assert (out[:, -16:] == out[0, 0]).all()


def test_labels_and_title_are_drawn() -> None:
    bare = sheet.sheet([_cell(COLOURS[0])], [], [], "")
    top, _, left, _ = _area(sheet.sheet([_cell(COLOURS[0])], ["column"], ["row"], "title"), COLOURS[0])
    assert top > _area(bare, COLOURS[0])[0] + 40
    assert left > _area(bare, COLOURS[0])[2] + 20


def test_big_pictures_are_scaled_down_in_proportion() -> None:
    top, bottom, left, right = _area(sheet.sheet([_cell(COLOURS[0], 1280, 640)], [], [], ""), COLOURS[0])
    assert (right - left, bottom - top) == (320, 160)


def test_a_failed_cell_is_crossed_and_a_missing_one_is_blank() -> None:
    red = (179, 38, 30)
    failed = sheet.sheet([_cell(COLOURS[1]), Cell(None, "out of memory")], ["a", "b"], [], "")
    top, bottom, left, right = _area(failed, red)
    assert (bottom - top, right - left) == (180, 320)
    assert not (sheet.sheet([_cell(COLOURS[1]), Cell()], ["a", "b"], [], "") == red).all(axis=-1).any()


def test_a_picture_that_cannot_be_read_shows_why() -> None:
    def load() -> Pixels:
        raise ValueError("truncated PNG")

    def other() -> Pixels:
        raise RuntimeError("a bug")

    assert np.array_equal(sheet.sheet([Cell(load)], [], [], ""), sheet.sheet([Cell(None, "truncated PNG")], [], [], ""))
    with pytest.raises(RuntimeError):
        sheet.sheet([Cell(other)], [], [], "")


def test_it_is_the_same_every_time() -> None:
    first, second = (sheet.sheet([_cell(c) for c in COLOURS], ["4", "6"], ["a", "b", "c"], "t") for _ in range(2))
    assert np.array_equal(first, second)


def test_a_large_sweep_stays_small() -> None:
    out = sheet.sheet([_cell(COLOURS[0], 64, 64)] * 900, [str(i) for i in range(30)], [str(i) for i in range(30)], "t")
    assert out.shape[0] * out.shape[1] < 64_000_000


def test_as_many_cells_as_are_allowed_can_be_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MAX_CELLS", 100)
    assert sheet.wrapped([Cell()] * 100, ["a"] * 100, "").ndim == 3


def test_too_many_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="cells"):
        sheet.sheet([Cell()] * 3, ["a"], ["b", "c"], "")
    with pytest.raises(ValueError, match="10,000"):
        sheet.sheet([], [""] * 101, [""] * 100, "")


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3), st.text(), st.text())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_words_can_be_drawn(columns: list[str], rows: list[str], title: str, reason: str) -> None:
    assert sheet.sheet([Cell(None, reason)], columns, rows, title).shape[1] < 2000


@given(st.text(max_size=600) | st.just("word " * 5000), st.integers(10, 400), st.integers(1, 4))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_words_stay_in_their_box(text: str, width: int, lines: int) -> None:
    letters = SHIPPED.at(15)
    block = text_layout.block(text, letters, width, lines)
    assert len(block.text.split("\n")) <= lines
    assert block.width <= max(width, letters.getlength("W…"), letters.getlength("\ufffd…"), 2 * 15 + 15)


def test_long_words_end_in_an_ellipsis() -> None:
    assert text_layout.block("x" * 10_000, SHIPPED.at(15), 100, 2).text.endswith("…")
    assert text_layout.fit("short", 10) == "short"
    assert text_layout.fit("a\nb\tc\x07", 10) == "a b c"
