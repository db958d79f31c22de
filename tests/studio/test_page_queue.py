"""The queue in the browser: its actions, what it survives, and two pages of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests import patience
from tests.gallery.browser import Browser
from tests.studio.page import Page
from tests.studio.studio_process import Studio

pytestmark = pytest.mark.browser


def start(page: Page, prompt: str, pictures: int = 1) -> dict:
    page.fill("prompts", prompt)
    page.fill("seeds-n", str(pictures))
    page.until_button(str(pictures))
    return page.render()


def test_the_running_entry_is_cancelled_and_rendered_on(page: Page):
    entry = start(page, "a long row", 30)
    page.until_state(entry, "running")
    page.until_done(entry, 1)
    assert "of 30" in page.browser.one(".entry-facts").text
    page.act(entry, "Cancel")
    page.until_state(entry, "cancelled")
    done = page.studio.queue()[0]["done"]
    assert 0 < done < 30
    page.act(entry, "Again")
    page.until_state(entry, "running")
    page.until_done(entry, done + 1)
    page.act(entry, "Cancel")
    page.until_state(entry, "cancelled")
    assert page.studio.queue()[0]["done"] > done


def test_waiting_entries_are_moved_and_all_but_one_are_cancelled(page: Page):
    page.studio.ask("/api/queue/pause", {"paused": True})
    one, two, three = (start(page, prompt) for prompt in ("first", "second", "third"))
    assert page.browser.texts(".entry-title") == ["first", "second", "third"]
    page.act(three, "Move up")
    page.browser.until("return document.querySelectorAll('.entry-title')[1].textContent === 'third'")
    page.act(two, "Next")
    page.browser.until("return document.querySelectorAll('.entry-title')[0].textContent === 'second'")
    page.act(two, "Cancel all but this")
    page.until_state(one, "cancelled")
    page.until_state(three, "cancelled")
    page.browser.click(".queue-head > button")
    page.until_state(two, "done")
    page.act(one, "Remove from the list")
    page.browser.until("return document.querySelectorAll('.entry').length === 2")


def test_two_pages_show_the_same_queue_and_neither_acts_on_what_is_past(page: Page):
    page.studio.ask("/api/queue/pause", {"paused": True})
    entry = start(page, "seen twice")
    browser, first = page.browser, page.browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.driver.get(page.studio.address)
        browser.until("return document.body.classList.contains('ready')")
        page.until_state(entry, "waiting")
        assert browser.one("textarea.prompt").get_attribute("value") == ""
        browser.js("window.stale = document.querySelector('.main-act'); return true")
        page.studio.ask(f"/api/queue/{entry['id']}/cancel", {})
        page.until_state(entry, "cancelled")
        browser.js("window.stale.click(); return true")
        assert page.notice()
        page.until_state(entry, "cancelled")
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(first)
    page.until_state(entry, "cancelled")
    assert browser.one("textarea.prompt").get_attribute("value") == "seen twice"
    browser.complaints()  # the refused request


def test_a_full_queue_survives_a_restart(browser: Browser, studios: Callable[..., Studio]):
    studio = studios("model.fake.delay=0.1")
    page = Page(browser, studio)
    page.open()
    studio.ask("/api/queue/pause", {"paused": True})
    entries = [start(page, prompt) for prompt in ("one", "two", "three")]
    studio.end()
    browser.until("return !document.querySelector('.lost').hidden")
    page.studio = studios(f"studio.port={studio.port}", "model.fake.delay=0.1")
    assert [one["id"] for one in page.studio.queue()] == [one["id"] for one in entries]
    browser.until("return document.querySelector('.lost').hidden", within=patience.SECONDS)
    assert sorted(browser.texts(".entry-title")) == ["one", "three", "two"]
    assert page.studio.ask("/api/queue")["paused"]
    browser.click(".queue-head > button")
    for entry in entries:
        page.until_state(entry, "done")
    browser.driver.get("about:blank")
    browser.complaints()  # the browser's own, of the server that was not there


def test_a_killed_renderer_is_shown_and_the_next_one_renders(page: Page):
    entry = start(page, "to be killed", 20)
    page.until_done(entry, 1)
    (renderer,) = page.studio.renderers()
    os.kill(renderer, signal.SIGKILL)
    page.until_state(entry, "failed")
    assert "kill" in page.browser.one(".entry-error").text.lower()
    other = start(page, "after it")
    page.until_state(other, "done")
    assert page.studio.renderers() != [renderer]


def test_nothing_moves_while_one_types(page: Page):
    entry = start(page, "in the background", 12)
    page.browser.js("return document.querySelector('#f-sampling-steps').focus(), true")
    page.browser.js("return document.querySelector('.form-scroll').scrollTop = 60")
    page.until_done(entry, 1)
    page.browser.type("1")
    page.fill("sampling.steps", "12")
    page.until_done(entry, 4)
    assert page.browser.js("return document.activeElement.id") == "f-sampling-steps"
    assert page.browser.js("return document.querySelector('.form-scroll').scrollTop") == 60
    assert page.browser.js("return document.activeElement.value") == "12"
