"""task=gallery, sheet and csv, as people type them; and several processes on one page."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from sdbatch import cli
from sdbatch.config.tasks import SheetSettings
from sdbatch.config.validation import validate
from sdbatch.errors import ConfigError
from sdbatch.media import pdf
from sdbatch.plan.plan import plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Outcome
from sdbatch.store import Store
from sdbatch.tasks.run_summary import finished
from sdbatch.tasks.sheet import _axes as axes_of
from sdbatch.tasks.sheet import make, ordered
from tests.gallery.render import go, planned, rendered
from tests.runner.little import tree

RENDER = ["model=fake", "+prompt_set=landscapes", "name=x", "seeds=0..1", "canvas=[64x64]"]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sdbatch"])
    return tmp_path / "outputs" / "x"


def test_the_page_comes_with_a_run_and_can_be_rebuilt_from_its_folder(there: Path, capfd):
    assert cli.run(RENDER) == 0
    before = tree(there)
    assert "index.html" in before
    for path in [there / "index.html", *(there / "gallery").glob("*.js")]:
        path.unlink()
    assert cli.run(["name=x", "task=gallery", "model=fake"]) == 0
    assert tree(there) == before
    assert cli.run(["name=none", "task=gallery"]) == 2


def test_without_a_page(there: Path, capfd):
    assert cli.run([*RENDER, "gallery.enabled=false"]) == 0
    assert not (there / "index.html").exists()


def test_sheets_of_any_grid(there: Path, capfd):
    assert cli.run(RENDER) == 0
    assert cli.run(["name=x", "task=sheet", "sheet.format=pdf", "sheet.across=seeds"]) == 0
    first = (there / "sheet.pdf").read_bytes()
    assert first.startswith(b"%PDF-")
    assert b"Date" not in first
    assert cli.run(["name=x", "task=sheet", "sheet.down=[seeds]", "sheet.where=['prompts=torii|boat']"]) == 0
    with Image.open(there / "sheet.png") as image:
        assert image.width > image.height / 2
    assert cli.run(["name=x", "task=sheet", "sheet.across=seed"]) == 2
    assert "did you mean 'seeds'?" in capfd.readouterr().err
    assert cli.run(["name=x", "task=csv"]) == 0
    assert len((there / "records.csv").read_text().splitlines()) == 13


def test_sides_of_a_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sweep = [{"sampling.guidance": [2, 4]}]
    store = rendered(tmp_path, "x", prompts=["a sea", "a hill", "a lake"], seeds="0..3", sweep=sweep)
    plan = planned("x", prompts=["a sea", "a hill", "a lake"], seeds="0..3", sweep=sweep)

    def shape(**settings) -> tuple[int, ...]:
        return make(plan, store, SheetSettings(**settings), "x").shape[:2]

    assert shape(across=("seeds",))[0] > shape(down=("seeds",))[0]
    assert shape(across=("seeds",), down=("prompts",)) == shape(across=("seeds",))
    assert shape(where=("prompts=a-sea",)) != shape()
    assert shape(down=("canvas", "loras", "seeds")) == shape(down=("seeds",))  # which have one value
    assert shape(across=("canvas",)) == shape()
    for wrong in ({"down": ("canvases",)}, {"where": ("prompt=a-sea",)}, {"where": ("seeds=9",)}):
        with pytest.raises(ConfigError):
            shape(**wrong)
    seen: list[list[str]] = []
    monkeypatch.setattr("sdbatch.tasks.sheet.sheet", lambda cells, *labels: seen.append([*labels[0][:2], labels[1][0]]))
    make(plan, store, SheetSettings(across=("sampling.guidance", "seeds")), "x")
    assert seen == [["guidance 2 · seed 0", "guidance 2 · seed 1", "a sea"]]
    monkeypatch.undo()
    assert pdf.encode(make(plan, store, SheetSettings(), "x"), "x") == pdf.encode(
        make(plan, store, SheetSettings(), "x"), "x"
    )


def test_keys_of_one_entry_are_one_axis_of_a_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data: dict[str, Any] = {
        "prompts": ["a sea", "a hill"],
        "sweep": [{"hires.scale": [1, 2, 2], "upscale.scale": [1, 1, 3]}],
    }
    store, plan = rendered(tmp_path, "x", **data), planned("x", **data)
    seen: list[tuple] = []
    monkeypatch.setattr("sdbatch.tasks.sheet.sheet", lambda *given: seen.append(given))
    for settings in (SheetSettings(), SheetSettings(across=("upscale.scale",)), SheetSettings(down=("prompts",))):
        make(plan, store, settings, "x")
        cells, names, labels, heading, _ = seen.pop()
        assert [cell.picture is not None for cell in cells] == [True] * 6
        assert sorted(labels) == ["a hill", "a sea"]
        assert "hires.scale 2 · upscale.scale 3" in names or "upscale.scale 3 · hires.scale 2" in names
        assert "prompt down" in heading
        assert "hires.scale" in heading


def test_two_processes_one_page(tmp_path: Path):
    """(Threads here.) They share the work; the last one to end leaves the page as one alone would have."""
    alone = Store(tmp_path / "alone" / "x", durable=False)
    go(planned("x", prompts=["a sea"], seeds="0..11"), alone)
    store, plan = Store(tmp_path / "together" / "x", durable=False), planned("x", prompts=["a sea"], seeds="0..11")
    both = [threading.Thread(target=go, args=(plan, store), kwargs={"delay": 0.1}) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert tree(store.root) == tree(alone.root)


def test_columns_are_in_the_order_of_the_experiment_though_the_first_row_skips_some(tmp_path: Path):
    """Asked for 2, 5, 8; the first prompt is skipped with 5."""
    plan = planned(
        "x",
        prompts=["a sea", "a hill"],
        sweep=[{"sampling.guidance": [2, 5, 8]}],
        skip=[{"prompts": "a-sea", "sampling.guidance": 5}],
    )
    jobs = [plan[i] for i in range(len(plan))]
    assert axes_of(jobs)["sampling.guidance"] == ["2", "5", "8"]
    places = [(dict(job.labels)["seeds"], dict(job.labels)["sampling.guidance"]) for job in jobs]
    assert ordered(places, ["seeds", "sampling.guidance"], axes_of(jobs)) == [("0", "2"), ("0", "5"), ("0", "8")]


def test_the_first_axis_across_varies_slowest():
    axes = {"seeds": ["0", "1"], "sampling.steps": ["9", "12"]}
    places = [("9", "0"), ("9", "1"), ("12", "0"), ("12", "1")]
    assert ordered(places, ["sampling.steps", "seeds"], axes) == places
    turned = [(seed, steps) for steps, seed in places]
    assert ordered(turned, ["seeds", "sampling.steps"], axes) == [("0", "9"), ("0", "12"), ("1", "9"), ("1", "12")]


def test_a_long_single_row_is_wrapped(tmp_path: Path):
    store = rendered(tmp_path, "x", prompts=["a sea"], seeds="0..22")
    plan = planned("x", prompts=["a sea"], seeds="0..22")
    height, width, _ = make(plan, store, SheetSettings(), "x").shape
    assert 0.7 < width / height < 2.2
    height, width, _ = make(plan, store, SheetSettings(across=("seeds",)), "x").shape
    assert width / height > 5


def test_the_last_lines_say_how_long_and_link_to_the_page(there: Path):
    """Links only where they can be clicked."""
    texts = []
    for terminal in (False, True):
        console = Console(force_terminal=terminal, file=io.StringIO(), width=200)
        outcome = Outcome(2, 0, 0, 0, False)
        (there / "images").mkdir(parents=True, exist_ok=True)
        (there / "index.html").touch()
        experiment = validate({"name": "x", "prompts": ["a sea"], "seeds": "0..1", "model": {"kind": "fake"}})
        assert finished(outcome, experiment, plan(resolve(experiment)), console, 83.2) == 0
        texts.append(console.file.getvalue())
    plain, linked = texts
    assert "x: 2 rendered in 1:23\n" in plain
    assert "  gallery: outputs/x/index.html\n" in plain
    assert (there / "index.html").as_uri() in linked
