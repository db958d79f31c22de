"""A page of several experiments, in a real browser: pictures lie in their folders, thumbnails beside the page."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdbatch.gallery import Site
from sdbatch.gallery.several import Stores
from sdbatch.plan.model_axis import by_key
from sdbatch.plan.together import experiment, together
from tests.gallery.browser import Browser
from tests.gallery.render import planned, rendered

pytestmark = pytest.mark.browser


def test_pictures_of_several_folders(browser: Browser, tmp_path: Path, serve: Callable[..., str]) -> None:
    data: list[dict[str, Any]] = [
        {"prompts": ["a sea"], "model": {"kind": "fake", "clip_skip": skip}} for skip in (1, 2)
    ]
    plans = [planned(name, **given) for name, given in zip("ab", data, strict=True)]
    for name, given in zip("ab", data, strict=True):
        rendered(tmp_path, name, **given)
    plan = together([[experiment(job, name) for job in made] for name, made in zip("ab", plans, strict=True)])
    Site(plan, Stores(tmp_path / "both", names=("a", "b")), by_key(plans[0].models), plan.axes).finish(rebuild=True)
    browser.open(tmp_path / "both")
    browser.pictures()
    assert len(browser.all(".cell img")) == 2
    assert "experiment" in browser.texts(".axis .name")
    for job_id, command in zip(plan.ids, ("name=both-one model=fake", "task=reproduce source=outputs/b/"), strict=True):
        browser.open(tmp_path / "both", f"open={job_id}")
        browser.pictures(".box img")
        assert command in browser.one(".command pre").get_attribute("textContent")
    browser.open(serve(tmp_path).replace("index.html", "both/index.html"))
    browser.click(".top .menu > summary")
    browser.click(".top .menu .drop button:nth-child(3)")
    with zipfile.ZipFile(io.BytesIO(browser.download("both.zip"))) as found:
        assert sorted(name.partition("/")[0] for name in found.namelist()) == ["a", "b"]
        for name in found.namelist():
            assert found.read(name) == (tmp_path / name).read_bytes()
