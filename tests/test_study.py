"""Measures of pictures, task=csv with them, and what ``make study`` makes of them."""

from __future__ import annotations

import csv
import re
import runpy
import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch.config.hydra_source import compose_data
from sdbatch.config.validation import validate
from sdbatch.imaging.measures import MEASURES, diversity, measures, reduced
from sdbatch.plan.plan import plan
from sdbatch.plan.resolve import resolve
from sdbatch.tasks import dispatch
from tests.config.building import ROOT

RNG = np.random.default_rng(3)
GREY = np.full((32, 48, 3), 127, np.uint8)
NOISE = RNG.integers(0, 256, (32, 48, 3), np.uint8)
STRIPES = np.repeat(np.where(np.arange(48) // 8 % 2, 255, 0)[None, :, None], 32, 0).repeat(3, 2).astype(np.uint8)
RED = np.broadcast_to(np.array([255, 0, 0], np.uint8), (32, 48, 3))


def test_measures_of_known_pictures():
    assert measures(GREY) == dict.fromkeys(MEASURES, 0.0)
    assert measures(RED)["colour"] == pytest.approx(0.3 * np.hypot(255, 127.5))
    assert measures(RED)["sharpness"] == measures(RED)["edges"] == 0
    assert measures(STRIPES)["edges"] == pytest.approx(5 / 47)  # one column in eight, and none at the end
    assert measures(STRIPES)["colour"] == 0
    assert measures(STRIPES)["contrast"] == pytest.approx(0.5)
    assert measures(NOISE)["sharpness"] > measures(STRIPES)["sharpness"]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 40)])
def test_measures_of_tiny_pictures(size):
    assert all(np.isfinite(value) for value in measures(np.zeros((*size, 3), np.uint8)).values())


def test_diversity_is_the_mean_distance_to_the_others():
    black, white = np.zeros_like(GREY), np.full_like(GREY, 255)
    assert diversity([reduced(black), reduced(white), reduced(white)]) == pytest.approx([1, 0.5, 0.5])
    assert diversity([reduced(NOISE)]) == [0]
    assert diversity([reduced(GREY)] * 3) == [0, 0, 0]


def test_diversity_of_many_needs_little_memory():
    group = list(np.random.default_rng(0).random((100, 768)))
    tracemalloc.start()
    try:
        diversity(group)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_csv_with_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    data = {
        "name": "x",
        "prompts": ["a sea", "a pine"],
        "seeds": [0, 1],
        "canvas": ["48x32"],
        "model": {"kind": "fake"},
    }
    assert dispatch.run(data | {"seeds": [0]}) == 0
    assert dispatch.run(data) == 0
    damaged = sorted((tmp_path / "outputs/x/images").iterdir())[0]
    damaged.write_bytes(b"")
    assert dispatch.run(data | {"task": "csv", "csv": {"measures": True}, "seeds": [0, 1, 2]}) == 0
    with (tmp_path / "outputs/x/records.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    named = [f"measure:{m}" for m in (*MEASURES, "diversity")]
    assert list(rows[0])[-5:] == named
    measured = [row for row in rows if row["measure:colour"]]
    assert len(measured) == 3, "not the damaged one, nor those that are not rendered"
    alone = next(row["prompt"] for row in rows if row["path"].endswith(damaged.name))
    other = [row["measure:diversity"] for row in measured if row["prompt"] != alone]
    assert len(other) == 2
    assert other[0] == other[1] != "0"
    assert [row["measure:diversity"] for row in measured if row["prompt"] == alone] == ["0"]
    assert dispatch.run(data | {"task": "csv"}) == 0
    assert "measure:" not in (tmp_path / "outputs/x/records.csv").read_text()


@pytest.fixture
def study() -> dict[str, Any]:
    """The globals of the script."""
    return runpy.run_path(str(ROOT / "scripts" / "study.py"))


def test_estimates_are_means_with_intervals_over_prompts(study: dict[str, Any]):
    def row(prompt: str, guidance: str, value: float) -> dict[str, str]:
        names = study["MEASURES"]
        return {"axis:prompts": prompt, study["GUIDANCE"]: guidance} | {f"measure:{m}": str(value) for m in names}

    pictures = [("a", 1), ("a", 3), ("b", 4), ("b", 4)]
    rows = [row(p, g, v + float(g) * (1 if g == "2" or p == "b" else 1.75)) for g in ("2", "8") for p, v in pictures]
    found = study["estimates"](rows)
    assert found["colour"]["2"] == (5.0, 0.0, 0.0, 0.0)
    mean, difference, low, high = found["edges"]["8"]
    assert (mean, difference, low, high) == (14.0, 9.0, 6.0, 12.0), "b differs by 6, a by 12"
    assert "| 2 | 5 |" in study["table"](found)
    assert "| 8 | 14 (+6 to +12) |" in study["table"](found)
    chart = ET.fromstring(study["chart"](found))
    assert len([e for e in chart.iter() if e.tag.endswith("circle")]) == 2 * len(study["MEASURES"])


def test_the_document_shows_what_the_study_measures(study: dict[str, Any]):
    text = (ROOT / "docs/research.md").read_text("utf-8")
    block = text.partition(study["BEGIN"])[2].partition(study["END"])[0]
    data = compose_data([], study["STUDY"]).data
    values = data["sweep"][0]["sampling.guidance"]
    assert re.findall(r"^\| (\d+) \|", block, re.M) == [str(v) for v in values]
    assert all(measure in block.splitlines()[1] for measure in study["MEASURES"])
    assert len(plan(resolve(validate(data)))) == 288
    assert "288 pictures" in " ".join(text.split())
    assert all(path.is_file() for path in (study["CHART"], study["SHEET"]))
