"""The page for everybody: keyboard, screen readers, narrow and dark screens; the curve editor; its size."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.config.building import ROOT
from tests.gallery.browser import Browser
from tests.studio.page import Page

STATIC = (ROOT / "src/sdbatch/studio/static", ROOT / "src/sdbatch/gallery/static")
MOST_USED = (  # what Tab reaches from the prompt on, in this order, with the film's fold open
    "f-prompts f-negative canvas f-canvas Pictures, slider f-seeds-n f-seeds another seed Steps, slider "
    "f-sampling-steps Guidance, slider f-sampling-guidance f-sampling-sampler f-model f-name f-motion-mode "
    "f-motion-loop f-motion-seconds f-motion-frames f-motion-fps f-motion-zoom time"
)


def test_the_page_without_data_is_small():
    own = sum(path.stat().st_size for path in STATIC[0].iterdir())
    shared = sum((STATIC[1] / name).stat().st_size for name in ("gallery.css", "shared.js"))
    assert own + shared <= 300_000


def grave(page: Page) -> list[str]:
    """What axe-core finds to be serious in the page as it is."""
    from axe_core_python.selenium import Axe

    found = [v for v in Axe().run(page.browser.driver)["violations"] if v["impact"] in ("serious", "critical")]
    return [f"{v['id']}: {n['html'][:150]}" for v in found for n in v["nodes"]]


@pytest.mark.browser
def test_accessible(page: Page):
    page.studio.ask("/api/queue/pause", {"paused": True})
    page.fill("prompts", "a gate")
    page.until_button("1")
    page.render()
    page.fill("sampling.steps", "0")
    page.says("sampling.steps")
    page.browser.shot("studio")
    assert grave(page) == []
    page.browser.js("for (const fold of document.querySelectorAll('.fold, .more')) fold.open = true; return true")
    page.browser.until("return document.querySelectorAll('.curve .dot').length > 1")
    assert grave(page) == []
    page.browser.dark()
    page.browser.size(390, 844)
    page.browser.click("[data-part='queue']")
    assert page.browser.js("return document.documentElement.scrollWidth") <= 390
    page.browser.shot("studio-narrow-dark")
    assert grave(page) == []


@pytest.mark.browser
def test_the_most_used_settings_are_reached_by_the_keyboard(page: Page):
    browser = page.browser
    browser.click(".fold.motion > summary")
    browser.js("return document.querySelector('textarea.prompt').focus(), true")
    name = "return document.activeElement.id || document.activeElement.name || document.activeElement.ariaLabel || ''"
    reached = []
    for _ in range(60):
        reached.append(browser.js(name))
        browser.type(Keys.TAB)
    names = [one for one in reached if one and one in MOST_USED]
    assert " ".join(dict.fromkeys(names)) == MOST_USED


@pytest.mark.browser
def test_the_keyboard_renders(page: Page):
    page.fill("prompts", "typed only")
    page.until_button("1")
    ActionChains(page.browser.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    page.browser.until("return document.querySelector('.entry-title')?.textContent === 'typed only'")
    assert page.studio.queue()[0]["kind"] == "picture"


def value(browser: Browser) -> str:
    return str(browser.one("#f-motion-zoom").get_attribute("value"))


@pytest.mark.browser
def test_keyframes_are_moved_by_keyboard_and_pointer(page: Page):
    browser = page.browser
    browser.click(".fold.motion > summary")
    browser.until("return document.querySelectorAll('.curve .dot').length === 2")
    before = value(browser)
    browser.js("return document.querySelectorAll('.curve .dot')[1].focus(), true")
    browser.type("up", "enter")
    browser.until("return document.querySelectorAll('.curve .dot').length === 3")
    assert value(browser) != before
    assert "[50%, " in value(browser)
    browser.type("right", "right")
    assert "[52%, " in value(browser)
    browser.type(Keys.DELETE)
    browser.until("return document.querySelectorAll('.curve .dot').length === 2")
    end = browser.all(".curve .dot")[1]
    ActionChains(browser.driver).drag_and_drop_by_offset(end, -60, 40).perform()
    browser.until("return !document.querySelector('#f-motion-zoom').value.includes('end')")
    page.fill("motion.zoom", "{wave: sin, period: 1s, from: 1, to: 1.5}")
    browser.until("return document.querySelectorAll('.curve .dot').length === 0")
    browser.until("return (document.querySelector('.curve .line').getAttribute('d').match(/L/g) ?? []).length > 50")


@pytest.mark.browser
def test_a_preset_fills_the_film_and_the_camera_is_played_over_a_test_card(page: Page):
    browser = page.browser
    browser.click(".fold.motion > summary")
    browser.click(".motion .presets .chip:last-child")  # spiral
    assert value(browser) == "[[0, 1], [end, 4, ramp]]"
    assert browser.texts(".curves .chip.set") == ["Zoom", "Roll"]
    browser.until("return document.querySelector('.player output').textContent.includes('zoom 1.00')")
    shown = "document.querySelector('.camera').toDataURL()"
    browser.js(f"window.first = {shown}; return true")
    browser.click(".player button")
    browser.until(f"return {shown} !== window.first && document.querySelector('.player input').value > 5")
    browser.click(".player button")
    assert not browser.one(".player output").text.endswith("zoom 1.00")


@pytest.mark.browser
def test_a_reload_keeps_the_form_and_the_empty_form_forgets_it(page: Page):
    page.fill("prompts", "kept")
    page.fill("sampling.steps", "7")
    page.until_button("1")
    page.browser.driver.refresh()
    page.browser.until("return document.body.classList.contains('ready')")
    assert page.browser.one("textarea.prompt").get_attribute("value") == "kept"
    assert page.browser.one("#f-sampling-steps").get_attribute("value") == "7"
    page.browser.click(".open-menu summary")
    page.browser.click(".open-menu .drop button:nth-of-type(2)")
    assert page.browser.one("textarea.prompt").get_attribute("value") == ""
    assert page.browser.one("#f-sampling-steps").get_attribute("value") == "24"


@pytest.mark.browser
def test_an_example_fills_the_form(page: Page):
    page.browser.click(".open-menu summary")
    found = "[...document.querySelectorAll('.open-menu .drop button')].find((b) => b.textContent === 'anime_zoom')"
    page.browser.until(f"return {found}")
    page.browser.js(f"return {found}.click(), true")
    page.until_button("18")  # its pictures, and with its films: those of one seed
    page.until_button("21", "film")
    assert len(page.browser.all("textarea.prompt")) == 3
    assert len(page.browser.all(".shape input:checked")) == 3
