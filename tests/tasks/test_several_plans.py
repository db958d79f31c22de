"""Several runs in one folder (``-m`` over keys, other settings), and several experiments on one page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdbatch.files import atomic
from tests.tasks.conftest import Folder


def page(root: Path) -> tuple[dict[str, Any], list[Any], str]:
    """The plan, the rows and the letters of a page."""

    def data(name: str) -> Any:
        text = (root / "gallery" / name).read_text("ascii").rpartition("sdbatch(")[2]
        return json.loads("[" + text.rpartition(")")[0] + "]")[1]

    return data("plan.js"), data("jobs-000.js")["rows"], data("state.js")["letters"]


def axes(plan: dict[str, Any]) -> dict[str, list[str]]:
    return {" ".join(a["keys"]): a["values"] for a in plan["axes"] if len(a["values"]) > 1}


@pytest.fixture
def runs(folder: Folder) -> Folder:
    """Three runs of four pictures in one folder, with other numbers of steps."""
    for steps in (4, 6, 5):
        assert folder.run(sampling={"steps": steps}, gallery={"enabled": True}) == 0
    return folder


def test_all_runs_of_a_folder_are_on_its_page(runs: Folder) -> None:
    plan, rows, letters = page(runs.store.root)
    assert plan["jobs"] == 12
    assert axes(plan)["sampling.steps"] == ["4", "5", "6"]
    assert letters == "d" * 12
    assert all((runs.store.root / "gallery/thumbs" / f"{row[0]}.jpg").is_file() for row in rows)
    live = (runs.store.root / "gallery/plan.js").read_bytes()
    assert runs.run(task="gallery", prompts=[]) == 0
    assert page(runs.store.root)[0]["jobs"] == 12
    assert runs.run(task="gallery", sampling={"steps": 5}) == 0
    assert (runs.store.root / "gallery/plan.js").read_bytes() == live


def test_the_sheet_shows_all_runs(runs: Folder) -> None:
    assert runs.run(task="sheet", sheet={"across": ["sampling.steps"], "down": ["prompts", "seeds"]}, prompts=[]) == 0
    with Image.open(runs.store.root / "sheet.png") as image:
        assert image.width > 3 * 48
    assert runs.run(task="sheet", sheet={"where": ["sampling.steps=4|6"]}, sampling={"steps": 5}) == 0


def test_the_sheet_of_plans_with_contrary_orders(folder: Folder) -> None:
    assert folder.run(seeds="2..3", sweep=[{"sampling.guidance": [8, 2]}]) == 0
    assert folder.run(seeds="0..1", sweep=[{"sampling.guidance": [2, 8]}]) == 0
    assert folder.run(task="sheet", prompts=[]) == 0
    assert (folder.store.root / "sheet.png").is_file()


def test_a_grid_with_too_many_fields_is_wrapped(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tasks", "media"):
        monkeypatch.setattr(f"sdbatch.{module}.sheet.MAX_CELLS", 20, raising=False)
    assert folder.run(prompts=[f"{n} boats" for n in range(5)], seeds=[0]) == 0
    assert folder.run(prompts=["0 boats"], seeds="0..5") == 0
    assert folder.run(task="sheet", prompts=[]) == 0
    assert (folder.store.root / "sheet.png").is_file(), "10 pictures in 30 fields"


def test_what_a_dead_process_left_is_removed(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that write the same sheet or table use names of their own, which the next run removes."""
    used: list[Path | None] = []
    write = atomic.write

    def seen(path: Path, pieces: Iterable[bytes], temporary: Path | None = None, durable: bool = False) -> None:
        used.append(temporary)
        write(path, pieces, temporary, durable)

    with monkeypatch.context() as patched:
        patched.setattr(atomic, "write", seen)
        for task in ("sheet", "csv") * 2:
            assert stills.run(task=task) == 0
    left = {path for path in used if path is not None}
    assert len(left) == 4
    for path in left:
        path.write_bytes(b"half")
    assert stills.run(seeds="0..2") == 0
    assert not any(path.exists() for path in left)


def test_the_sheet_says_what_is_missing(stills: Folder) -> None:
    assert stills.run(task="sheet") == 0
    assert "rendered" not in stills.out
    assert stills.run(task="sheet", seeds="0..3") == 0
    assert "4 of 8 are not rendered; run the experiment again to render them" in stills.out


def test_verify_finds_a_changed_picture_of_an_earlier_run(runs: Folder) -> None:
    record = runs.store.ledger().get(page(runs.store.root)[1][-1][0])
    assert record is not None
    victim = runs.store.file(record)
    victim.write_bytes(victim.read_bytes()[:-20])
    assert runs.run(task="verify", sampling={"steps": 5}) == 3
    assert "12 of 12 jobs recorded" in runs.out
    assert victim.name in runs.out
    assert runs.run(task="verify", sampling={"steps": 5}, plan={"earlier": False}) == 0
    assert "4 of 4 jobs recorded" in runs.out


def test_a_page_of_the_plan_alone(runs: Folder) -> None:
    assert runs.run(task="gallery", sampling={"steps": 6}, plan={"earlier": False}) == 0
    assert page(runs.store.root)[0]["jobs"] == 4


def test_the_records_of_all_runs(runs: Folder) -> None:
    assert runs.run(task="csv", prompts=[]) == 0
    head, *lines = (runs.store.root / "records.csv").read_text().splitlines()
    assert "axis:sampling.steps" in head
    assert len(lines) == 12


def test_a_page_of_several_experiments(folder: Folder) -> None:
    assert folder.run(name="a", seeds=[0]) == 0
    assert folder.run(name="b", seeds=[0], sampling={"steps": 6}) == 0
    assert folder.run(name="c", seeds=[0], model={"kind": "fake", "clip_skip": 2}) == 0
    assert folder.run(task="gallery", name="untitled", prompts=[], gallery={"of": ["a", "b", "c"]}) == 0
    root = folder.root / "outputs/a-b-c"
    plan, rows, letters = page(root)
    assert next(iter(axes(plan))) == "experiment"
    assert axes(plan)["experiment"] == ["a", "b", "c"]
    assert letters == "d" * 6
    assert all((root / row[1]).is_file() and (root / f"gallery/thumbs/{row[0]}.jpg").is_file() for row in rows)
    assert {row[1].split("/")[1] for row in rows} == {"a", "b", "c"}
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    assert folder.run(task="gallery", name="a-b-c", prompts=[], gallery={"of": ["a", "b", "c"]}) == 0
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}.keys() == before.keys()
    assert folder.run(task="gallery", name="mine", prompts=[], gallery={"of": "a"}) == 0
    assert page(folder.root / "outputs/mine")[0]["jobs"] == 2


def test_the_same_job_in_two_experiments_is_shown_twice(folder: Folder) -> None:
    assert folder.run(name="a") == 0
    assert folder.run(name="b") == 0
    assert folder.run(task="gallery", name="both", prompts=[], gallery={"of": ["a", "b"]}) == 0
    plan, rows, letters = page(folder.root / "outputs/both")
    assert (plan["jobs"], letters) == (8, "d" * 8)
    assert {row[-5] for row in rows} == {0, 1}


def test_experiments_without_results_are_named(stills: Folder) -> None:
    said = stills.wrong(task="gallery", name="x", prompts=[], gallery={"of": ["little", "litle"]})
    assert "gallery.of: 'litle' has no results in outputs/ (did you mean 'little'?)" in said
    said = stills.wrong(task="gallery", name="x", prompts=[], gallery={"of": ["outputs/little/"]})
    assert "gallery.of[0]: 'outputs/little/' is not the name of an experiment (write little)" in said
    said = stills.wrong(task="gallery", prompts=[], gallery={"of": ["little"]})
    assert "name: outputs/little has an experiment of its own" in said
