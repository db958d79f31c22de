"""From the form to pictures and films, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from selenium.webdriver.common.keys import Keys

from sdbatch.media.metadata import read
from sdbatch.store import Store
from tests.config.building import problems
from tests.gallery.render import rendered
from tests.studio.page import Page

pytestmark = pytest.mark.browser


def files(page: Page, name: str, pattern: str) -> list[Path]:
    return sorted((page.studio.folder / "outputs" / name).glob(pattern))


def test_an_empty_form_becomes_pictures(page: Page):
    page.until_button("write a prompt")
    page.fill("prompts", "a red gate")
    page.fill("seeds-n", "3")
    page.fill("sampling.steps", "4")
    page.until_button("3")
    entry = page.render()
    page.until_state(entry, "done")
    with page.gallery() as gallery:
        gallery.until("return document.querySelectorAll('.cell.done').length === 3")
        gallery.pictures()
    page.browser.shot("studio-pictures")
    written = page.studio.folder / entry["file"]
    assert yaml.safe_load(written.read_text("utf-8"))["prompts"] == ["a red gate"]
    assert page.browser.one(".strip-command code").text == entry["command"]
    ids = Store(page.studio.folder / "outputs" / entry["name"]).ledger()
    assert len(ids) == len(files(page, entry["name"], "images/*.png")) == 3
    page.browser.click("[data-view='yaml']")
    page.browser.choose("YAML of", entry["file"])
    assert page.browser.one("pre.yaml").text == written.read_text("utf-8").rstrip("\n")
    page.until_button("3, all done")


def test_an_empty_form_becomes_a_film(page: Page):
    page.fill("prompts", "a blue gate")
    page.browser.click(".fold.motion > summary")
    page.fill("motion.seconds", "0.5")
    page.fill("motion.fps", "8")
    page.until_button("1", "film")
    entry = page.render("film")
    page.until_state(entry, "done")
    with page.gallery() as gallery:
        gallery.until("return document.querySelectorAll('.cell.done').length === 1")
        gallery.all(".cell")[0].click()
        gallery.until(
            "return document.querySelector('.stage video') && document.querySelector('.stage video').readyState > 0"
        )
    (video,) = files(page, entry["name"], "videos/*.mp4")
    assert read(video)["job"]["motion"]["mode"] == "zoom"


def test_lists_and_variants_are_axes(page: Page):
    page.fill("prompts", "a {red|green} gate")
    page.fill("sampling.guidance", "2, 5, 8")
    page.until_button("6")
    page.browser.click("[data-key='sampling.sampler'] .several summary")
    page.browser.click("[data-key='sampling.sampler'] .drop label:nth-of-type(1)")
    page.until_button("12")
    assert page.browser.one(".sum").text.split(" × ") == ["prompts 2", "guidance 3", "sampler 2"]
    page.browser.type("escape")
    page.browser.click("[data-key='canvas'] .label + button")
    page.browser.click(".shape:nth-of-type(7)")
    page.until_button("24")


def test_mistakes_stand_beside_their_fields_in_the_words_of_the_command_line(page: Page):
    page.fill("prompts", "a gate")
    page.fill("sampling.steps", "0")
    expected = {p.key: str(p).partition(": ")[2] for p in problems(prompts=["a"], sampling={"steps": 0})}
    assert page.says("sampling.steps") == expected["sampling.steps"]
    page.until_button("1 mistake")
    page.browser.click(".go.picture")
    assert page.notice().startswith("Steps: 0 is out of range")
    page.browser.until("return document.activeElement.closest('[data-key=\"sampling.steps\"]')")
    assert page.studio.queue() == []
    page.browser.type("\ue017")
    page.fill("sampling.steps", "5")
    page.says("sampling.steps", wrong=False)
    page.fill("sampling.guidance", "5, 99")
    assert "99 is out of range 1–30" in page.says("sampling.guidance")
    page.fill("sampling.guidance", "5")
    page.says("sampling.guidance", wrong=False)
    page.until_button("1")


def test_a_mistake_in_a_fold_is_counted_on_it_and_found_by_the_button(page: Page):
    page.fill("prompts", "a gate")
    page.browser.click(".fold.encoding > summary")
    page.fill("encoding.quality", "99")
    assert "99 is out of range" in page.says("encoding.quality")
    page.browser.click(".fold.encoding > summary")
    assert page.browser.one(".fold.encoding .differs-count").text == "1 mistake"
    page.until_button("1")
    page.browser.click(".go.film")
    page.browser.until("return document.activeElement.id === 'f-encoding-quality'")


HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "${oc.env:HOME} ???",
    "'\"`;--",
)


def test_hostile_prompts_are_text(page: Page):
    for n, text in enumerate(HOSTILE):
        if n:
            page.browser.click(".setting.prompts .bar > button")
        page.browser.all("textarea.prompt")[n].click()
        page.browser.type(text)
    page.until_button("4")
    page.browser.click("[data-view='yaml']")
    page.browser.until("return document.querySelector('pre.yaml').textContent.includes('oc.env')")
    entry = page.render()
    page.until_state(entry, "done")
    assert page.browser.one(f"[data-id='{entry['id']}'] .entry-title").text.startswith("<img src=x")
    with page.gallery() as gallery:
        gallery.until("return document.querySelectorAll('.cell.done').length === 4")
        assert not gallery.js("return Boolean(window.hacked || document.querySelector('img[src=x]'))")
    assert not page.browser.js("return Boolean(window.hacked || document.querySelector('img[src=x]'))")
    shots = [read(path)["job"]["shot"]["prompt"] for path in files(page, entry["name"], "images/*.png")]
    assert sorted(shots) == sorted(HOSTILE)


def test_a_dropped_picture_fills_the_form_and_renders_to_the_same_id(page: Page, tmp_path: Path):
    settings: dict[str, Any] = {
        "sampling": {"steps": 3, "sampler": "euler_a"},
        "canvas": ["96x64"],
        "negative": "fog",
        "seeds": 7,
    }
    store = rendered(tmp_path, "mine", prompts=["a hill"], **settings)
    (picture,) = (store.root / "images").glob("*.png")
    page.drop(picture)
    page.until_button("1")
    page.until_button("1", "film")
    assert page.browser.one(".origin p").text == f"Settings of {picture.name}"
    (tmp_path / "notes.png").write_bytes(b"no picture")
    page.drop(tmp_path / "notes.png")  # which changes nothing
    assert page.notice().startswith("notes.png: ")
    assert page.browser.one("textarea.prompt").get_attribute("value") == "a hill"
    assert page.browser.one("#f-seeds").get_attribute("value") == "7"
    assert page.browser.one("#f-canvas").get_attribute("value") == "96x64"
    entry = page.render()
    page.until_state(entry, "done")
    (again,) = files(page, entry["name"], "images/*.png")
    assert read(again)["job"]["id"] == read(picture)["job"]["id"]
    assert again.read_bytes() == picture.read_bytes()


def test_favourites_of_the_gallery_become_a_final(page: Page):
    page.fill("prompts", "a draft")
    page.fill("seeds-n", "2")
    page.until_button("2")
    entry = page.render()
    page.until_state(entry, "done")
    with page.gallery() as gallery:
        gallery.until("return document.querySelectorAll('.cell.done').length === 2")
        gallery.js("return document.querySelectorAll('.cell')[1].focus(), true")
        gallery.type("f")
        gallery.until("return document.querySelector('.status').textContent.includes('★ 1')")
    page.browser.click(".look-head .final")
    page.browser.one("#final-sampling\\.steps").send_keys("9999")
    page.browser.click("dialog[open] .go")
    page.browser.until(
        "return document.getElementById('final-sampling.steps-says').textContent.includes('9999 is out of range')"
    )
    page.browser.one("#final-sampling\\.steps").send_keys(Keys.BACKSPACE * 4 + "40")
    before = {one["id"] for one in page.studio.queue()}
    page.browser.click("dialog[open] .go")
    page.browser.until("return !document.querySelector('dialog[open]')")
    (final,) = [one for one in page.studio.queue() if one["id"] not in before]
    page.until_state(final, "done")
    (picture,) = files(page, final["name"], "images/*.png")
    assert read(picture)["job"]["shot"]["steps"] == 40
