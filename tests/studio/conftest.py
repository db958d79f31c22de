"""A studio for the browser: one for all tests, and others for those that end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gallery.browser import Browser
from tests.studio.page import Page
from tests.studio.studio_process import Studio


@pytest.fixture(scope="session")
def shared_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With the fake renderer, which needs a fifth of a second for each picture."""
    studio = Studio(tmp_path_factory.mktemp("studio"), "model.fake.delay=0.2")
    yield studio
    studio.end()


@pytest.fixture
def page(browser: Browser, shared_studio: Studio) -> Iterator[Page]:
    """Its page with an empty queue and an empty form."""
    shared_studio.clear()
    found = Page(browser, shared_studio)
    found.open()
    yield found
    found.forget()


@pytest.fixture
def studios(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """``studios(...)`` starts another one in the test's folder."""
    started: list[Studio] = []

    def start(*arguments: str) -> Studio:
        started.append(Studio(tmp_path, *arguments))
        return started[-1]

    yield start
    for studio in started:
        studio.end()
