"""The needle test of ``make verify``: it passes here, it can fail, and its document says what it measured."""

from __future__ import annotations

import json
import runpy
from typing import Any

import pytest

from sdbatch.engine.fake import FakeRenderer
from tests.config.building import ROOT


@pytest.fixture
def needle() -> dict[str, Any]:
    """The globals of the script."""
    return runpy.run_path(str(ROOT / "scripts" / "needle.py"))


def test_needles_are_equal_and_the_control_is_not(needle: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NEEDLES": 2, "STRANGERS": 3, "SIZES": (2, 16)}.items():  # a smaller one
        monkeypatch.setitem(needle["measured"].__globals__, name, value)
    row = needle["measured"]("cpu", "float32", trials=1)
    assert (row["equal"], row["compared"]) == (2, 2)
    assert row["control"] == 2


@pytest.mark.parametrize(("equal", "control", "code"), [(8, 2, 0), (7, 2, 1), (8, 1, 1)])
def test_a_difference_or_a_blind_control_fails(
    needle: dict[str, Any], monkeypatch: pytest.MonkeyPatch, equal: int, control: int, code: int
) -> None:
    row = {"device": "cpu", "name": "", "dtype": "float32", "sizes": 4, "compared": 8}
    main = needle["main"]
    monkeypatch.setitem(main.__globals__, "measured", lambda *_: row | {"equal": equal, "control": control})
    monkeypatch.setattr("sys.argv", ["needle.py"])
    assert main() == code


def test_a_renderer_that_looks_at_the_company_is_found(needle: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As if calls were as large as their work."""

    def pixels(shots, renderer):
        return {shot.id: f"{shot.id} in a call of {len(shots) * renderer.profile.rows}" for shot in shots}

    def opened(source, settings, runtime):
        return FakeRenderer(rows=runtime.rows or 3)

    monkeypatch.setitem(needle["measured"].__globals__, "_pixels", pixels)
    monkeypatch.setitem(needle["measured"].__globals__, "open_renderer", opened)
    row = needle["measured"]("cpu", "float32", trials=1)
    assert (row["equal"], row["control"]) == (0, len(needle["SIZES"]))


def test_the_document_is_made_of_what_was_measured(needle: dict[str, Any]) -> None:
    rows = json.loads((ROOT / "docs/reproducibility.json").read_text())
    text = (ROOT / "docs/reproducibility.md").read_text("utf-8")
    assert text == needle["document"](rows)
    assert {row["dtype"] for row in rows if row["device"] == "cpu"} == {"float32", "bfloat16"}
    assert all(row["equal"] == row["compared"] >= 48 for row in rows)
    assert "unverified" in text
