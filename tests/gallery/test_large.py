"""10,000 pictures: what is out of sight is not in the page, and a frame of scrolling touches a row or two.

python -m pytest -n 0 -s tests/gallery/test_large.py   also prints how long it took. On a quiet machine the first view
takes less than 2 s and no task more than 100 ms; nothing is asserted about time.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch.gallery.thumbs import encode
from sdbatch.media import png
from sdbatch.store import Record, Store
from tests.gallery.browser import Browser
from tests.gallery.render import planned, site

pytestmark = pytest.mark.browser
IN_PAGE = 100  # cells at most, of 10,000: a window of 1280 x 800 and a margin around it
COLUMNS = 7  # of a row of 100 cells

SCROLL = """
const [speed, frames, done] = arguments, main = document.querySelector('main'), tasks = [];
new PerformanceObserver(list => tasks.push(...list.getEntries().map(e => e.duration))).observe({type: 'longtask'});
const cells = [], added = [], isCell = node => node.classList?.contains('cell');
let n = 0, fresh = 0, began = performance.now(), worst = 0, last = began;
new MutationObserver(list => {
  for (const change of list) fresh += [...change.addedNodes].filter(isCell).length;
}).observe(main, {childList: true, subtree: true});
const step = now => {
  worst = Math.max(worst, now - last); last = now;
  cells.push(document.querySelectorAll('.cell').length);
  added.push(fresh);
  fresh = 0;
  main.scrollTop += speed;
  if (++n < frames && main.scrollTop < main.scrollHeight - main.clientHeight - 1) requestAnimationFrame(step);
  else setTimeout(() => done({frames: n, cells, added, seconds: (performance.now() - began) / 1000, worst,
    longest: Math.max(0, ...tasks)}), 300);
};
requestAnimationFrame(step);
"""
FIRST = """
const [done] = arguments, seconds = performance.now() / 1000;
new PerformanceObserver(list => done({seconds, shown: document.querySelectorAll('.cell img').length,
  longest: Math.max(0, ...list.getEntries().map(e => e.duration))})).observe({type: 'longtask', buffered: true});
setTimeout(() => done({seconds, shown: document.querySelectorAll('.cell img').length, longest: 0}), 500);
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """100 prompts x 100 seeds, of a few pictures each of which has many names."""
    store = Store(tmp_path_factory.mktemp("large") / "large", durable=False)
    prompts = [{"id": f"scene-{n:02}", "text": f"scene {n}, sea, sunset sky"} for n in range(100)]
    plan = planned("large", prompts=prompts, seeds="0..99", canvas=["512x512"])
    faces = [_face(n) for n in range(16)]
    for folder in ("images", "gallery/thumbs", "faces"):
        (store.root / folder).mkdir(parents=True)
    for n, (data, small) in enumerate(faces):
        (store.root / "faces" / f"{n}.png").write_bytes(data)
        (store.root / "faces" / f"{n}.jpg").write_bytes(small)
    lines = []
    for i, job in enumerate(plan):
        face = (i * 7 + i // 100) % 16
        (store.root / job.path).parent.mkdir(exist_ok=True)
        os.link(store.root / "faces" / f"{face}.png", store.root / job.path)
        os.link(store.root / "faces" / f"{face}.jpg", store.root / "gallery/thumbs" / f"{job.id}.jpg")
        lines.append(Record(job.id, "done", job.path, "b2:0", "b2:0", len(faces[face][0]), "p0").line())
    store.manifest.write_bytes(b"".join(lines))
    site(plan, store).finish()
    return store


def _face(n: int) -> tuple[bytes, bytes]:
    """A picture with as much in it as a photograph, and its thumbnail."""
    random = np.random.default_rng(n)
    coarse = random.integers(0, 255, (32, 32, 3)).repeat(16, 0).repeat(16, 1)
    pixels = np.clip(coarse + random.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)
    return png.encode(pixels), encode(pixels, "b2:0")


def test_ten_thousand_pictures(browser: Browser, large: Store, shots: Path):
    browser.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    browser.open(large.root, forget=False)
    browser.pictures()
    first = browser.driver.execute_async_script(FIRST) | {"cpu": spent(browser)}
    assert 0 < first["shown"] < IN_PAGE
    browser.shot("large")
    slow, fast = scrolled(browser, 40, 80), scrolled(browser, 2500, 60)
    browser.pictures()
    assert (slow["frames"], fast["frames"]) == (80, 60)
    assert max(slow["cells"] + fast["cells"]) < IN_PAGE
    assert max(slow["added"]) <= 2 * COLUMNS, "a frame of 40 pixels makes a row or two, and nothing anew"
    assert sum(slow["added"]) < 80 * 40 / 100 * COLUMNS, "each row once, and rows are higher than 100 pixels"
    assert sum(fast["added"]) > 60 * COLUMNS, "it did scroll"
    browser.js("document.querySelector('.cell').focus(); return 1")
    browser.type("end")
    assert browser.js("document.activeElement.dataset.i") == "9999"
    browser.type("home", "enter")
    assert browser.one(".panel h2").text == "scene-00 · seed 0"
    assert "of 100" in browser.one(".strip small").text
    figures = {"load": os.getloadavg()[0], "first view": first, "scrolled": slow, "scrolled fast": fast}
    (shots / "large.json").write_text(json.dumps(figures, indent=2))
    print(json.dumps(figures))


def spent(browser: Browser) -> float:
    """Seconds of CPU time that the page's main thread has taken."""
    metrics = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return float({m["name"]: m["value"] for m in metrics}["TaskDuration"])


def scrolled(browser: Browser, pixels: int, frames: int) -> dict[str, Any]:
    """Scroll so many pixels a frame; cells in the page and those added, by frame; ``cpu`` is in seconds a frame."""
    before = spent(browser)
    found = browser.driver.execute_async_script(SCROLL, pixels, frames)
    return found | {"cpu": (spent(browser) - before) / found["frames"]}


HOSTILE = [
    "<img src=x onerror=\"document.title='broken'\">",
    "</script><script>document.title='broken'</script>",
    "'\"><svg onload=document.title='broken'>",
    "javascript:document.title='broken'",
    "\u2028\u202e{{constructor}} ${document.title='broken'} `x`",
    "=cmd|' /C calc'!A0",
]


def test_hostile_prompts_are_text(browser: Browser, tmp_path: Path):
    from sdbatch.engine.fake import Faults
    from tests.gallery.render import rendered

    store = rendered(tmp_path, "hostile", Faults(fail=("svg",)), prompts=HOSTILE, negative=HOSTILE[1], seeds="0..1")
    browser.open(store.root)
    browser.pictures()
    alts = [image.get_attribute("alt") for image in browser.all(".cell img")]
    assert any(HOSTILE[0] in text for text in alts)
    for n, text in enumerate(HOSTILE):
        if n:
            browser.type("down")
        else:
            browser.all(".cell")[0].click()
        assert browser.texts(".facts dd")[:2] == [text, HOSTILE[1]]
    browser.shot("hostile")
    assert browser.driver.title == "hostile"
    assert not browser.all("svg")
    assert len(browser.all("script")) == 1
    refused = "try { document.body.innerHTML = '<b>'; return 'markup' } catch { return 'refused' }"
    assert browser.js(refused) == "refused"
    browser.complaints()  # of that last one
