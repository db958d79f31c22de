"""Chromium under the test's control: opens a gallery, asks it, types, takes pictures of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-device-scale-factor=1 --disable-dev-shm-usage"
)
SIZE = (1280, 800)
WAIT = 10.0
KEYS = {"right": Keys.ARROW_RIGHT, "left": Keys.ARROW_LEFT, "up": Keys.ARROW_UP, "down": Keys.ARROW_DOWN}
KEYS |= {"escape": Keys.ESCAPE, "enter": Keys.ENTER, "end": Keys.END, "home": Keys.HOME, "space": " "}


class Browser:
    """One Chromium; ``saved`` is where its downloads go."""

    def __init__(self, chromium: str, driver: str, folder: Path, shots: Path) -> None:
        self.saved, self._shots = folder / "saved", shots
        self.saved.mkdir()
        options = Options()
        options.binary_location = chromium
        for flag in [*FLAGS.split(), f"--user-data-dir={folder / 'profile'}"]:
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"download.default_directory": str(self.saved)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))

    def quit(self) -> None:
        self.driver.quit()

    def fresh(self) -> None:
        self.driver.get("about:blank")
        self.size(*SIZE)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        # A window that nobody has clicked in may have no focus: its elements then get no focus events, and videos rest.
        self.driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        self.complaints()
        for path in self.saved.iterdir():
            path.unlink()

    def size(self, width: int, height: int) -> None:
        """Of the page, not of the window."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def open(self, where: Path | str, hash_: str = "", forget: bool = True) -> None:
        """Open a gallery, a folder or an address, and wait until it stands."""
        url = where if isinstance(where, str) else (where / "index.html").as_uri()
        self.driver.get("about:blank")
        self.driver.get(f"{url}{hash_ and '#'}{hash_}")
        if forget and self.js("try { return localStorage.length && (localStorage.clear(), 1) } catch { return 0 }"):
            self.driver.refresh()
        self.until("return document.body.classList.contains('ready')")

    def js(self, code: str, *arguments: Any) -> Any:
        """What ``code`` gives: an expression, or statements that return."""
        return self.driver.execute_script(code if "return" in code else f"return {code}", *arguments)

    def until(self, code: str, *arguments: Any, within: float = WAIT) -> Any:
        """What ``code`` gives as soon as that is true."""
        end = time.monotonic() + within
        while True:
            found = self.driver.execute_script(code, *arguments)
            if found or time.monotonic() > end:
                assert found, f"never came true: {code}"
                return found
            time.sleep(0.05)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        """The first one, which may come in a moment."""
        return self.until("return document.querySelector(arguments[0])", selector)

    def texts(self, selector: str) -> list[str]:
        """Texts of what is there, seen or not, from left to right and top to bottom."""
        code = """return [...document.querySelectorAll(arguments[0])]
            .map(n => [n.getBoundingClientRect(), n.textContent])
            .sort(([a], [b]) => a.top - b.top || a.left - b.left).map(([_, text]) => text)"""
        return list(self.driver.execute_script(code, selector))

    def click(self, selector: str) -> None:
        self.one(selector).click()

    def choose(self, label: str, option: str) -> None:
        Select(self.one(f"select[aria-label='{label}']")).select_by_visible_text(option)

    def type(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(KEYS.get(key, key))

    def pictures(self, selector: str = ".cell img") -> None:
        """Wait until the pictures in sight are there."""
        self.until(
            "return [...document.querySelectorAll(arguments[0])].every(i => i.complete && i.naturalWidth) "
            "&& document.querySelector(arguments[0]) !== null",
            selector,
        )

    def shot(self, name: str) -> Path:
        path = self._shots / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path

    def download(self, name: str) -> bytes:
        end = time.monotonic() + WAIT
        path = self.saved / name
        while not path.is_file():
            assert time.monotonic() < end, f"{name} was not saved"
            time.sleep(0.05)
        return path.read_bytes()
