"""The files of the page: one policy, no text as markup, small pictures that show what they say."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import runpy
from pathlib import Path

from PIL import Image

from sdbatch.engine.fake import Faults
from sdbatch.gallery import csv_text, page
from sdbatch.gallery.thumbs import SIDE, encode, shows
from sdbatch.media import png
from sdbatch.store import Record, Store
from sdbatch.store.record import parse
from tests.gallery.render import go, planned, rendered, site
from tests.runner.little import tree

STATIC = Path(page.__file__).parent / "static"


def told(store: Store, name: str) -> dict:
    """The data in a data script."""
    text = (store.root / "gallery" / name).read_text("ascii")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def test_the_page_is_small_and_names_its_scripts_by_digest():
    html = page.html("x")
    assert len(html.encode()) < 300_000
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert found
    policy = found[1]
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_makes_no_requests_and_no_markup_of_text():
    source = "".join(p.read_text("utf-8") for p in sorted(STATIC.iterdir()))
    assert set(page.SCRIPTS) | {"page.html", "gallery.css"} == {p.name for p in STATIC.iterdir()}
    assert not re.findall(r"https?://", source)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|DOMParser", source)
    for name in page.SCRIPTS:
        assert "</" not in (STATIC / name).read_text("utf-8")


def test_plan_and_jobs_are_written_once(tmp_path: Path):
    sweep = [{"sampling.steps": [12, 24], "sampling.sampler": ["euler_a", "ddim"]}]
    store = rendered(tmp_path, "x", prompts=["a sea", "a hill"], seeds="0..1", sweep=sweep)
    plan, jobs, state = (told(store, f"{n}.js") for n in ("plan", "jobs-000", "state"))
    assert [a["title"] for a in plan["axes"]] == ["prompt", "canvas", "steps · sampler", "seed"]
    assert plan["axes"][2]["values"] == ["12 · euler_a", "24 · ddim"]
    assert (len(jobs["texts"]), len(jobs["settings"]), len(jobs["rows"])) == (2, 2, 8)
    assert [row[5:] for row in jobs["rows"][:3]] == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert state == {"plan": plan["plan"], "letters": "d" * 8}


def test_rows_and_titles_of_swept_styles(tmp_path: Path):
    """The name of a prompt is its own words, not those of the first style."""
    (tmp_path / "s.csv").write_text("name,prompt,negative_prompt\nfilm,{prompt} on film,\nnight,night of {prompt},\n")
    sweep, styles = [{"styles.use": ["film", "night"]}], {"file": str(tmp_path / "s.csv")}
    prompt, _, style, _ = told(rendered(tmp_path, "x", prompts=["A hill"], sweep=sweep, styles=styles), "plan.js")[
        "axes"
    ]
    assert (prompt["names"], style["title"], style["values"]) == ({"0": "A hill"}, "style", ["film", "night"])


def test_large_seeds_are_text_and_values_keep_their_order(tmp_path: Path):
    skip = [{"sampling.guidance": 2.0, "seeds": 2**62}]
    sweep = [{"sampling.guidance": [2, 4]}]
    store = rendered(tmp_path, "x", prompts=["a sea"], seeds=[2**62, 1], sweep=sweep, skip=skip)
    assert [row[4] for row in told(store, "jobs-000.js")["rows"]] == [1, str(2**62), 1]
    assert told(store, "plan.js")["axes"][3]["values"] == [str(2**62), "1"]
    assert [row[5:] for row in told(store, "jobs-000.js")["rows"]] == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1]]


def test_errors_and_warnings_are_reported(tmp_path: Path):
    store = rendered(tmp_path, "x", Faults(fail=("hill",), warn=("lake",)), prompts=["a sea", "a hill", "a lake"])
    state = told(store, "state.js")
    assert state["letters"] == "dfw"
    assert [(i, state["texts"][n]) for i, n in state["notes"]] == [(1, "simulated failure"), (2, "simulated warning")]


def test_thumbnails_show_the_pixels_that_they_name(tmp_path: Path):
    store = rendered(tmp_path, "x", prompts=["a sea"], seeds="0..2", canvas=["640x400"])
    for record in store.ledger().records():
        path = store.root / "gallery" / "thumbs" / f"{record.id}.jpg"
        assert shows(path, record.pixels)
        assert not shows(path, "b2:" + "0" * 32)
        assert path.read_bytes() == encode(png.decode(store.file(record)), record.pixels)
        with Image.open(path) as image:
            assert image.size == (SIDE, 160)


def test_rebuilding_mends_thumbnails_and_removes_unused_ones(tmp_path: Path):
    plan, store = planned("x", prompts=["a sea"], seeds="0..2"), Store(tmp_path / "x", durable=False)
    go(plan, store)
    before, thumbs = tree(store.root), store.root / "gallery" / "thumbs"
    one, two, three = sorted(thumbs.iterdir())
    one.unlink()
    two.write_bytes(three.read_bytes())
    (thumbs / "j0000000000000000.jpg").write_bytes(b"?")
    (store.root / "gallery" / "jobs-001.js").write_text("stale")
    (store.root / "gallery" / ".tmp-dead-0").write_text("half")
    site(plan, store).finish(rebuild=True)
    assert tree(store.root) == before


def test_damaged_pictures_do_not_stop_the_page(tmp_path: Path):
    plan, store = planned("x", prompts=["a sea"], seeds="0..2"), Store(tmp_path / "x", durable=False)
    go(plan, store)
    record = next(store.ledger().records())
    store.file(record).write_bytes(bytes(record.size))
    (store.root / "gallery" / "thumbs" / f"{record.id}.jpg").unlink()
    site(plan, store).finish(rebuild=True)
    assert len(list((store.root / "gallery" / "thumbs").iterdir())) == 2


def test_csv_of_the_records(tmp_path: Path):
    prompts = [{"id": "sea", "text": 'a "sea", calm\nand wide'}, {"id": "hill", "text": "a hill"}]
    plan = planned("x", prompts=prompts, seeds="0..1")
    store = Store(tmp_path / "x", durable=False)
    go(plan, store, Faults(fail=("hill",)))
    lines = list(csv.DictReader(io.StringIO(csv_text(plan, store), newline="")))
    assert [line["id"] for line in lines] == plan.ids
    assert lines[0]["prompt"] == 'a "sea", calm\nand wide'
    assert [line["axis:prompts"] for line in lines] == ["sea", "sea", "hill", "hill"]
    assert [line["status"] for line in lines] == ["done", "done", "failed", "failed"]
    assert lines[2]["error"] == "simulated failure"
    assert lines[0]["pixels"] == store.ledger().get(plan.ids[0]).pixels


def test_a_size_that_is_unverified_is_recorded_but_no_alert():
    """On a CPU most sizes are: as warnings they would hide the others."""
    from sdbatch.gallery.status import StatusTable

    usual = Record("ja", "done", path="images/a.png", warnings=("unverified at 8x10 latents",))
    odd = Record("jb", "done", path="images/b.png", warnings=(*usual.warnings, "one flat colour"))
    assert parse(usual.line()) == usual
    status = StatusTable(["ja", "jb"])
    for record in (usual, odd):
        status.update(record)
    assert status.data("d0") == {"plan": "d0", "letters": "dw", "texts": ["one flat colour"], "notes": [[1, 0]]}


def test_an_empty_board_knows_other_plans_records_nothing():
    from sdbatch.gallery.status import StatusTable

    status = StatusTable(["ja", "jb"])
    status.update(Record("jz", "failed", error="of another plan"))
    assert status.data("d0") == {"plan": "d0", "letters": ".."}
    status.update(Record("jb", "failed", error="x"))
    status.update(Record("jb", "done", path="images/b.png"))
    assert status.data("d0", {"tick": 1}) == {"plan": "d0", "letters": ".d", "live": {"tick": 1}}


def test_the_program_that_measures_the_gallery_runs(monkeypatch, capsys):
    """docs/gallery.md cites it; its figures are not compared."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    runpy.run_module("scripts.gallery_cost", run_name="measured")["main"](60)
    assert "a picture of 512 x 512: " in capsys.readouterr().out
