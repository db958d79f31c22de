"""The page of a studio in the browser: fills the form, reads the queue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By

from tests import patience
from tests.gallery.browser import Browser
from tests.studio.studio_process import Studio

SETTING = ".setting[data-key='{}']"


class Page:
    def __init__(self, browser: Browser, studio: Studio) -> None:
        self.browser = browser
        self.studio = studio

    def open(self) -> None:
        self.browser.driver.get(self.studio.address)
        self.browser.until("return document.body.classList.contains('ready')")

    def forget(self) -> None:
        """What the browser keeps for this address: the form of the tab, favourites."""
        self.browser.js("localStorage.clear(); sessionStorage.clear(); return true")

    def fill(self, key: str, text: str) -> None:
        """Type ``text`` into the control of a setting instead of what is there."""
        field = self.browser.one(f"#f-{key.replace('.', '-')}")
        self.browser.js("arguments[0].focus(); arguments[0].select(); return true", field)
        self.browser.type("\ue017", *([text] if text else []))

    def says(self, key: str, wrong: bool = True) -> str:
        """What stands beside a setting, as soon as it is a mistake (or is none)."""
        selector = SETTING.format(key)
        mark = "" if wrong else "!"
        self.browser.until(f"return {mark}document.querySelector(arguments[0]).matches('.wrong')", selector)
        return str(self.browser.one(f"{selector} > .says").text)

    def button(self, kind: str = "picture") -> str:
        return str(self.browser.one(f".go.{kind} span").text)

    def until_button(self, text: str, kind: str = "picture") -> None:
        """Wait until the button says this: all of it, or its first word, which is the number of jobs."""
        patience.until(lambda: text in (self.button(kind), re.split("[ ,]", self.button(kind))[0]), self.whole)

    def whole(self) -> str:
        """What the page says of the form, for a test that fails."""
        return repr(self.browser.texts(".go span, .wrong > .says, .general li"))

    def render(self, kind: str = "picture") -> dict[str, Any]:
        """Press a button; the new entry of the queue."""
        before = {one["id"] for one in self.studio.queue()}
        self.browser.one(f".go.{kind}").send_keys("\n")  # a click misses if an answer moves the button meanwhile
        patience.until(lambda: len(self.studio.queue()) > len(before), self.whole)
        (entry,) = [one for one in self.studio.queue() if one["id"] not in before]
        self.browser.until("return document.querySelector(`[data-id='${arguments[0]}']`)", entry["id"])
        return entry

    def until_state(self, entry: dict[str, Any], state: str) -> None:
        """Wait until the page says so of an entry. The server is asked first: that costs less than to ask a browser."""
        self.studio.wait(lambda: self.studio.entry(entry)["state"] == state)
        selector = f"[data-id='{entry['id']}'][data-state='{state}']"
        self.browser.until("return document.querySelector(arguments[0])", selector)

    def until_done(self, entry: dict[str, Any], pictures: int) -> None:
        """Wait until so many pictures of the running entry are done, and the page shows it."""
        self.studio.wait(lambda: self.studio.entry(entry)["done"] >= pictures)
        self.browser.until("return document.querySelector('.entry progress')?.value > 0")

    def act(self, entry: dict[str, Any], label: str) -> None:
        """Press a button of an entry, one of its menu if there."""
        row = self.browser.one(f"[data-id='{entry['id']}']")
        buttons = {button.get_attribute("textContent"): button for button in row.find_elements(By.TAG_NAME, "button")}
        if not buttons[label].is_displayed():
            row.find_element(By.CSS_SELECTOR, "summary").click()
        buttons[label].click()

    @contextmanager
    def gallery(self) -> Iterator[Browser]:
        """Inside the embedded gallery, once it stands."""
        frame = self.browser.one(".look iframe:not([hidden])")
        self.browser.driver.switch_to.frame(frame)
        try:
            self.browser.until("return document.body && document.body.classList.contains('ready')")
            yield self.browser
        finally:
            self.browser.driver.switch_to.default_content()

    def notice(self) -> str:
        self.browser.until("return document.querySelector('.notice.up')")
        return str(self.browser.one(".notice").get_attribute("textContent"))

    def drop(self, path: Path) -> None:
        """Drop a file onto the page."""
        code = """const bytes = Uint8Array.from(arguments[1]), data = new DataTransfer();
            data.items.add(new File([bytes], arguments[0]));
            for (const kind of ["dragenter", "dragover", "drop"])
              document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
            return true"""
        self.browser.js(code, path.name, list(path.read_bytes()))
