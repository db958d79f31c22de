"""Labels in any script: the shipped font, one of the system, one that is named; never code points."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sdbatch.media import fonts
from sdbatch.media.fonts import SHIPPED, Face, choose
from sdbatch.media.sheet import Cell, sheet
from sdbatch.media.text_layout import fit


@pytest.fixture
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without fonts."""
    monkeypatch.setattr(fonts, "SYSTEM", ())


@pytest.mark.parametrize(
    "text",
    [
        "Größe, naïve Łódź",
        "Привет, мир",
        "Καλημέρα κόσμε",
        "שלום",
        "مرحبا بالعالم",
        "Հայերեն",
        "→ ★ ½ ≤ – “x” …",
        "a\tb\n",
    ],
)
def test_the_shipped_font_has(text):
    assert SHIPPED.lacks([text]) == ""
    assert SHIPPED.shown(text) == text


def test_what_no_font_has_is_a_box(nothing_else):
    face = choose(["桜 torii"])
    assert face == SHIPPED
    assert face.lacks(["桜 torii", "海"]) == "桜海"
    assert face.shown("桜 torii") == "□ torii"
    assert "\\u" not in fit(face.shown("桜"), 20)


def test_a_font_of_the_system_is_taken_only_if_it_has_more(monkeypatch, tmp_path):
    """The font's reader is replaced: no font with such letters is on every machine."""
    monkeypatch.setattr(fonts, "SYSTEM", ("none.ttf", "little.ttf", "cjk.ttf"))
    monkeypatch.setattr(fonts, "_exists", lambda name: name != "none.ttf")
    has = {"little.ttf": "桜", "cjk.ttf": "桜海"}
    monkeypatch.setattr(fonts, "_has", lambda source, c: c.isascii() or c in has.get(source, "é"))
    assert choose(["a torii"]) == SHIPPED
    assert choose(["é"]) == SHIPPED
    assert choose(["桜"]) == Face("little.ttf")
    assert choose(["桜海"]) == Face("cjk.ttf")


def test_a_named_font_goes_first(tmp_path):
    mine = tmp_path / "mine.ttf"
    shutil.copy(SHIPPED.source, mine)
    assert choose(["a torii"], str(mine)) == Face(str(mine))
    with pytest.raises(OSError, match="cannot open resource"):
        choose(["a"], str(tmp_path / "none.ttf"))


def test_labels_in_other_scripts_are_drawn_as_they_are():
    cells = [Cell(lambda: np.zeros((64, 64, 3), np.uint8))]
    made = [sheet(cells, [text], [], "") for text in ("Привет", "Пока", "□□□□")]
    assert len({bytes(image) for image in made}) == 3


def test_the_licence_of_the_font_is_shipped_with_it():
    text = (Path(SHIPPED.source).parent / "LICENSE").read_text("utf-8")
    assert "Bitstream" in text
    assert Path(SHIPPED.source).stat().st_size < 300_000
