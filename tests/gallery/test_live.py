"""The page while it renders: news as they come, and in the end no trace of time."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdbatch.engine import fake
from sdbatch.gallery import Site
from sdbatch.plan.model_axis import by_key
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Feed, Pixels
from sdbatch.store import Record, Store
from tests import patience
from tests.gallery.browser import Browser
from tests.gallery.render import go, planned, site
from tests.runner.little import tree

DONE = "return document.querySelectorAll('.cell.done').length"


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """The fake renderer draws one picture for each release."""
    found, draw = threading.Semaphore(0), fake.draw

    def wait(shot: Shot, feed: Feed | None = None) -> Pixels:
        assert found.acquire(timeout=patience.SECONDS)
        return draw(shot, feed)

    monkeypatch.setattr(fake, "draw", wait)
    yield found
    found.release(100)  # whatever the test has come to, its thread ends


@pytest.mark.browser
def test_changes_arrive_while_it_renders(browser: Browser, tmp_path: Path, allowed: threading.Semaphore):
    plan = planned("live", prompts=[{"id": "sea", "text": "a sea"}, {"id": "hill", "text": "a hill"}], seeds="0..9")
    store = Store(tmp_path / "live", durable=False)
    run = threading.Thread(target=go, args=(plan, store))
    run.start()
    patience.until((store.root / "gallery" / "state.js").exists)
    browser.open(store.root)
    browser.all(".cell")[19].click()  # the last one: it and its neighbours come by and by
    assert browser.one(".stage").text == "not rendered yet"
    allowed.release(10)
    browser.until("return document.querySelector('.step img')")
    browser.type("escape")
    said = "document.querySelector('.status').textContent"
    browser.until(f"return ['of 20 pictures', 'pictures a second', 'left'].every(words => {said}.includes(words))")
    assert browser.one(".meter").is_displayed()
    browser.shot("live")
    browser.all(".cell")[19].click()
    for known in (12, 17):
        allowed.release(known - len(store.ledger()))
        browser.until(f"{DONE} === {known}")
        assert run.is_alive()
    allowed.release(3)
    run.join()
    browser.until(f"{DONE} === 20")
    browser.pictures(".stage img")
    browser.until("return [...document.querySelectorAll('.facts dt')].some(n => n.textContent === 'pixels')")
    browser.type("escape")
    browser.until("return document.querySelector('.status').textContent === '20 pictures'")
    assert not browser.one(".meter").is_displayed()
    browser.pictures()


@pytest.mark.browser
def test_the_records_are_those_of_the_last_run(browser: Browser, tmp_path: Path):
    plan, store = planned("again", prompts=["a sea"]), Store(tmp_path / "again", durable=False)
    with store.worker() as worker:
        worker.record(Record(plan.ids[0], "failed", error="no memory"))
    Site(plan, store, by_key(plan.models), plan.axes, watched=True).finish()
    browser.open(store.root)
    for status in ("failed", "done"):
        if status == "done":
            go(plan, store)
            browser.until(f"{DONE} === 1")
        browser.click(".top .menu > summary")
        browser.click(".top .menu .drop button:nth-child(4)")
        (line,) = csv.DictReader(io.StringIO(browser.download("again.csv").decode()))
        assert line["status"] == status
        (browser.saved / "again.csv").unlink()


@pytest.mark.browser
def test_a_renderer_that_died_is_noticed(browser: Browser, tmp_path: Path):
    from sdbatch.gallery.status import StatusTable

    plan, store = planned("dead", prompts=["a sea"], seeds="0..3"), Store(tmp_path / "dead", durable=False)
    page = site(plan, store)
    page.open()
    page.publish(
        StatusTable(plan.ids), {"unit": "pictures", "done": 0, "total": 4, "rate": 0.0, "left": None, "tick": 3}
    )
    browser.open(store.root)
    browser.js("performance.now = () => 100000; return 1")
    browser.until(
        "return document.querySelector('.status').textContent.includes('run the same command again to resume')"
    )
    (store.root / "gallery" / "state.js").unlink()  # being replaced: there will be another look
    patience.until(lambda: any("state.js" in text for text in browser.complaints()))
    page.finish()
    browser.until("return document.querySelector('.status').textContent === '0 pictures · 4 not rendered'")
    browser.complaints()


def test_rendered_again_it_is_the_same_bytes(tmp_path: Path):
    trees = []
    for folder in ("one", "two"):
        store = Store(tmp_path / folder / "x", durable=False)
        go(planned("x", prompts=["a sea", "a hill"], seeds="0..4"), store)
        trees.append(tree(store.root))
    assert trees[0] == trees[1]
    assert b'"live"' not in trees[0]["gallery/state.js"]
    assert len([name for name in trees[0] if name.startswith("gallery/thumbs/")]) == 10


def test_in_parts_it_is_the_same_bytes(tmp_path: Path):
    plan = planned("x", prompts=["a sea", "a hill"], seeds="0..4")
    whole, parts = Store(tmp_path / "one" / "x", durable=False), Store(tmp_path / "two" / "x", durable=False)
    go(plan, whole)
    for index in range(3):
        go(plan, parts, shard=(index, 3))
        letters = (parts.root / "gallery" / "state.js").read_text().partition('"letters":"')[2][:10]
        assert [c == "d" for c in letters] == [i % 3 <= index for i in range(10)]
    assert tree(whole.root) == tree(parts.root)


def test_while_others_are_at_work_the_page_stays_live(tmp_path: Path):
    plan, store = planned("x", prompts=["a sea"], seeds="0..3"), Store(tmp_path / "x", durable=False)
    with store.worker() as other:
        claims = store.claims(other, "another-part")
        other.record(Record(plan.ids[3], "failed", error="not mine"))
        go(plan, store, shard=(0, 2))
        state = (store.root / "gallery" / "state.js").read_text()
        assert '"live"' in state
        assert '"letters":"d.df"' in state
        claims.leave(ended=True)
    go(plan, store)
    state = (store.root / "gallery" / "state.js").read_text()
    assert '"live"' not in state
    assert '"letters":"dddd"' in state


def test_nothing_new_writes_nothing(tmp_path: Path):
    plan, store = planned("x", prompts=["a sea"], seeds="0..3"), Store(tmp_path / "x", durable=False)
    go(plan, store)
    before = {p: p.stat().st_mtime_ns for p in store.root.rglob("*")}
    go(plan, store)
    assert {p: p.stat().st_mtime_ns for p in store.root.rglob("*")} == before


def test_a_page_that_cannot_be_written_costs_no_picture(tmp_path: Path):
    from sdbatch.engine.fake import FakeRenderer
    from sdbatch.gallery import Live
    from sdbatch.runner import Options, run
    from sdbatch.terminal.progress import Progress

    plan, store = planned("x", prompts=["a sea"], seeds="0..3"), Store(tmp_path / "x", durable=False)
    store.root.mkdir()
    (store.root / "gallery").write_text("in the way")
    live = Live(lambda: site(plan, store), Progress())
    with live.watching():
        outcome = run(plan, store, FakeRenderer, Options(observer=live))
    assert outcome.done == 4
    assert "gallery" in live.error
