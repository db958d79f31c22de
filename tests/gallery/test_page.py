"""The page in a browser: the axes are the layout, one picture in full, favourites, take away."""

from __future__ import annotations

import io
import shlex
import zipfile
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from sdbatch.engine.fake import Faults
from sdbatch.store import Store
from tests.gallery.browser import Browser
from tests.gallery.render import planned, rendered

pytestmark = pytest.mark.browser


def test_axes_are_the_layout(browser: Browser, land: Path):
    browser.open(land)
    browser.pictures()
    assert browser.texts(".column") == ["2", "4", *"01230123"]
    assert browser.texts(".row") == ["torii", "castle", "boat"]
    assert len(browser.all(".cell.done")) == 24
    assert browser.one("h1").text == "land"
    assert browser.one(".status").text == "24 pictures"
    browser.shot("grid")


def test_roles_can_be_chosen(browser: Browser, land: Path):
    browser.open(land)
    browser.choose("seed runs", "slider")
    assert browser.texts(".column") == ["2", "4"]
    assert len(browser.all(".cell")) == 6
    before = browser.all(".cell")[0].get_attribute("data-i")
    browser.one(".axis.slider input").send_keys("\ue014")
    assert browser.one(".axis.slider output").text == "1"
    assert browser.all(".cell")[0].get_attribute("data-i") != before
    browser.choose("prompt runs", "across")
    browser.choose("guidance runs", "down")
    assert browser.texts(".column") == ["torii", "castle", "boat"]
    assert browser.texts(".row") == ["2", "4"]
    browser.shot("slider")
    browser.driver.refresh()  # the address says it all
    browser.until("return document.body.classList.contains('ready')")
    assert browser.texts(".column") == ["torii", "castle", "boat"]
    browser.choose("prompt runs", "filter")
    assert browser.texts(".section") == ["guidance 2 3", "guidance 4 3"]
    assert browser.one(".caption").get_attribute("title") == "torii · guidance 2 · seed 1"
    browser.pictures()
    browser.shot("wall")


def test_the_question_mark_lists_the_keys(browser: Browser, land: Path):
    browser.open(land)
    assert not browser.js("document.querySelector('dialog[open]')")
    ActionChains(browser.driver).send_keys("?").perform()
    assert "favourite" in browser.one("dialog[open]").text
    ActionChains(browser.driver).send_keys("\ue00c").perform()
    browser.until("return !document.querySelector('dialog[open]')")


def test_an_address_that_is_pasted_changes_the_view(browser: Browser, land: Path):
    browser.open(land)
    browser.choose("prompt runs", "across")
    address = browser.driver.current_url
    browser.choose("prompt runs", "down")
    assert browser.texts(".row")[0] == "torii"
    browser.js("window.before = true")
    browser.js("location.href = arguments[0]", address)
    browser.until("return !window.before && document.body.classList.contains('ready')")
    assert "torii" in browser.texts(".column")


def test_values_words_and_states_filter(browser: Browser, tmp_path: Path):
    prompts = [{"id": name, "text": f"a {name}"} for name in ("torii", "castle", "boat")]
    faults = Faults(fail=("castle",), warn=("boat",))
    store = rendered(tmp_path, "mixed", faults, prompts=prompts, seeds="0..2")
    browser.open(store.root)
    assert len(browser.all(".cell.failed")) == 3
    assert browser.texts(".cell.failed .reason") == ["simulated failure"] * 3
    assert len(browser.all(".cell.warned .warning")) == 3
    assert browser.one(".status").text == "6 pictures · 3 failed · 3 warnings"
    browser.shot("failed")
    browser.choose("show", "failed")
    assert len(browser.all(".cell")) == 3
    browser.choose("show", "everything")
    browser.one("input[type=search]").send_keys("a boat")
    assert browser.texts(".row") == ["boat"]
    browser.one("input[type=search]").clear()
    browser.one("input[type=search]").send_keys("nothing like it")
    assert browser.one(".empty").text == "No picture matches; remove a filter."
    browser.open(store.root)
    browser.click("[data-axis='2'] summary")
    browser.click("[data-axis='2'] .drop label:nth-of-type(2)")
    assert browser.texts(".column") == ["0", "2"]
    assert browser.one("[data-axis='2'] summary").text.startswith("2 of 3")


def test_full_view(browser: Browser, land: Path):
    browser.open(land)
    browser.all(".cell")[0].click()
    browser.pictures(".stage img")
    facts = dict(zip(browser.texts(".facts dt"), browser.texts(".facts dd"), strict=True))
    assert facts["prompt"] == "a torii, sea, sunset sky"
    assert (facts["seed"], facts["size"], facts["sampling.guidance"]) == ("0", "64 × 64", "2")
    browser.until("return [...document.querySelectorAll('.facts dt')].some(n => n.textContent === 'pixels')")
    assert browser.texts(".strip h3") == ["prompt", "guidance", "seed"]
    browser.shot("view")
    browser.click(".strip:nth-of-type(3) .step:nth-child(3)")
    assert browser.one(".panel h2").text == "torii · guidance 2 · seed 2"
    browser.type("down")
    assert browser.one(".panel h2").text == "castle · guidance 2 · seed 2"
    browser.type("right", "right", "left")
    assert browser.one(".panel h2").text == "castle · guidance 2 · seed 3"
    browser.type("escape")
    browser.until("return !document.querySelector('dialog[open]')")
    browser.until("return document.activeElement.dataset.i === '11'")


def test_the_command_makes_exactly_this_picture(browser: Browser, land: Path):
    browser.open(land)
    browser.all(".cell")[5].click()
    browser.click(".command summary")
    command = browser.one(".command pre").text
    arguments = shlex.split(command)
    assert arguments[:3] == ["python", "-m", "sdbatch"]
    assert command_plan(arguments[3:]) == [browser.js("location.hash.match(/open=(\\w+)/)[1]")]


def command_plan(arguments: list[str]) -> list[str]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    data: dict = {}
    for override in OverridesParser.create().parse_overrides(arguments):
        section, _, key = override.key_or_group.rpartition(".")
        place = data.setdefault(section, {}) if section else data
        place[key] = override.value()
    return list(planned(**data | {"model": {"kind": data["model"]}}).ids)


def test_compare_side_by_side_and_by_a_wiper(browser: Browser, land: Path):
    browser.open(land)
    browser.all(".cell")[0].click()
    browser.type("c", "right")
    browser.pictures(".stage img")
    assert browser.texts("figcaption") == ["A torii · guidance 2 · seed 0", "B torii · guidance 2 · seed 1"]
    assert browser.texts(".facts .differs") == ["10"]
    browser.shot("compare")
    browser.type("w")
    browser.pictures(".stage img")
    wiper = browser.one(".wiper input")
    before = browser.js("getComputedStyle(document.querySelector('.over')).clipPath")
    wiper.send_keys("\ue014" * 20)
    assert browser.js("getComputedStyle(document.querySelector('.over')).clipPath") != before
    browser.shot("wiper")
    browser.driver.refresh()
    browser.until("return document.querySelector('.wiper') !== null")
    browser.click("[data-act=compare]")
    assert len(browser.all(".stage img")) == 1


def test_a_picture_over_the_one_that_it_starts_from(browser: Browser, repainted: Path):
    browser.open(repainted)
    browser.all(".cell")[0].click()
    browser.click("[data-act=original]")
    browser.pictures(".stage img")
    assert [img.get_attribute("src").split("/")[-2] for img in browser.all(".stage img")] == ["images", "starts"]
    assert browser.texts(".wiper span")[0] == "original"
    browser.shot("original")
    browser.type("right")
    assert len(browser.all(".stage img")) == 2
    browser.driver.refresh()
    browser.until("return document.querySelector('.wiper') !== null")
    browser.type("o")
    assert len(browser.all(".stage img")) == 1
    (start,) = (repainted / "starts").iterdir()
    start.rename(repainted / "moved.png")
    try:
        browser.driver.refresh()
        browser.type("o")
        browser.until("return document.querySelector('.over .reason')?.textContent.endsWith('is not in this folder')")
        assert "ERR_FILE_NOT_FOUND" in browser.complaints()[0]
    finally:
        (repainted / "moved.png").rename(start)


def test_compare_any_two(browser: Browser, land: Path):
    """c keeps a picture; close, and open any other one."""
    browser.open(land)
    browser.all(".cell")[0].click()
    browser.type("c")
    assert "Choose another picture" in browser.one("figcaption").text
    browser.type("escape")
    browser.until("return document.querySelector('.cell .pin')?.textContent === 'A'")
    browser.all(".cell")[22].click()
    assert browser.texts("figcaption") == ["A torii · guidance 2 · seed 0", "B boat · guidance 4 · seed 2"]
    browser.type("escape")
    browser.until("return !document.querySelector('dialog[open], .cell .pin')")


def test_keys_work_beside_an_open_command(browser: Browser, land: Path):
    browser.open(land)
    browser.all(".cell")[0].click()
    browser.click(".command summary")
    browser.type("right")
    assert browser.one(".panel h2").text == "torii · guidance 2 · seed 1"
    assert "seeds=1" in browser.one(".command pre").text  # still open


def test_small_pictures_are_not_blown_up(browser: Browser, land: Path):
    browser.open(land)
    browser.all(".cell")[0].click()
    browser.pictures(".stage img")
    width = "document.querySelector('.stage img').offsetWidth"
    assert browser.js(width) == 4 * 64
    browser.type("z")
    assert browser.js(width) == 64
    browser.click(".stage img")
    assert browser.js(width) == 4 * 64


def test_prompts_without_an_id_are_called_by_their_words(browser: Browser, tmp_path: Path):
    prompts = [
        "été, a red torii gate at the sea, " + "waves, " * 30,
        "桜の木",
        "夜の海",
        {"id": "boat", "text": "a boat"},
    ]
    sweep = [{"negative": ["", "blurry"]}]
    browser.open(rendered(tmp_path, "words", prompts=prompts, sweep=sweep).root)
    rows = browser.texts(".row")
    assert rows[0].startswith("été, a red torii")
    assert rows[0].endswith("…")
    assert rows[1:] == ["桜の木", "夜の海", "boat"]
    assert browser.one(".row span").get_attribute("title").count("été") == 1
    assert browser.texts(".column") == ["(empty)", "blurry"]


def test_few_pictures_are_large(browser: Browser, tmp_path: Path):
    browser.open(rendered(tmp_path, "single", prompts=["a red torii gate"]).root)
    browser.pictures()
    assert browser.one(".cell").size["width"] == 420
    assert browser.one(".caption").text == "a red torii gate"
    browser.shot("single")


def test_keyboard_in_the_grid(browser: Browser, land: Path):
    browser.open(land)
    browser.js("document.querySelector('.cell[tabindex=\"0\"]').focus(); return 1")
    current = "document.activeElement.dataset.i"
    browser.type("right", "down")
    assert browser.js(current) == "9"
    browser.type("end")
    assert browser.js(current) == "23"
    browser.type("right", "home", "f", "space")
    assert browser.one(".panel h2").text == "torii · guidance 2 · seed 0"
    assert browser.one("[data-act=favourite]").get_attribute("aria-pressed") == "true"
    browser.type("space", "f", "escape")
    browser.until(f"return {current} === '1'")
    assert len(browser.all(".cell .star")) == 2


def test_keys_before_anything_is_focused_and_wherever_one_has_scrolled(browser: Browser, land: Path):
    browser.size(1280, 300)
    browser.open(land, "size=420")
    browser.type("right")
    assert browser.js("document.activeElement.dataset.i") == "1"
    browser.js("document.activeElement.blur(); document.querySelector('main').scrollTop = 1e6; return 1")
    browser.until("return !document.querySelector('.cell[data-i=\"0\"]')")
    assert [c.get_attribute("data-i") for c in browser.all(".cell[tabindex='0']")] == ["1"]


def test_size_can_be_given_back(browser: Browser, land: Path):
    browser.open(land)
    width = "document.querySelector('.cell').offsetWidth"
    usual = browser.js(width)
    browser.one("input[type=range]").send_keys("\ue014" * 20)
    assert browser.js(width) > usual
    browser.one("input[type=range]").send_keys("0")
    assert browser.js(width) == usual


def test_a_star_can_be_clicked(browser: Browser, land: Path):
    browser.open(land)
    browser.pictures()
    ActionChains(browser.driver).move_to_element(browser.all(".cell")[3]).perform()
    browser.click(".cell .hint")
    assert browser.one(".status").text == "24 pictures · ★ 1"
    assert not browser.all("dialog[open]")
    browser.click(".cell .star")
    assert browser.one(".status").text == "24 pictures"


def test_favourites_stay_and_are_exported(browser: Browser, land: Path):
    browser.open(land)
    browser.js("document.querySelector('.cell[tabindex=\"0\"]').focus(); return 1")
    browser.type("f", "down", "f")
    browser.open(land, forget=False)
    assert browser.one(".status").text == "24 pictures · ★ 2"
    browser.choose("show", "favourites")
    assert len(browser.all(".cell")) == 2
    ids = [
        browser.js(f"document.querySelectorAll('.cell img')[{n}].src.match(/(j[0-9a-f]{{16}})\\./)[1]") for n in (0, 1)
    ]
    browser.click(".top .menu > summary")
    browser.shot("menu")
    browser.click(".top .menu .drop button")
    how = shlex.split(browser.one("dialog.offer pre").text)
    assert how[3:] == ["name=land", "task=final", f"final.jobs=[{','.join(ids)}]", "final.set={sampling.steps: 50}"]
    browser.click("dialog.offer [data-act=file]")
    assert browser.download("land-favourites.txt").decode().split() == ids
    assert set(ids) < {r.id for r in Store(land).ledger().records()}


def test_favourites_without_storage(browser: Browser, land: Path, serve):
    """A sandboxed frame, as notebooks serve pages: scripts, but no origin and no storage."""
    browser.open(serve(land, sandbox=True))
    browser.pictures()
    browser.js("document.querySelector('.cell[tabindex=\"0\"]').focus(); return 1")
    browser.type("f")
    assert browser.one(".status").text == "24 pictures · ★ 1"


def test_zip_from_a_server(browser: Browser, land: Path, serve):
    browser.open(serve(land))
    browser.one("input[type=search]").send_keys("castle")
    browser.click(".top .menu > summary")
    browser.click(".top .menu .drop button:nth-child(3)")
    with zipfile.ZipFile(io.BytesIO(browser.download("land.zip"))) as found:
        assert found.testzip() is None
        assert len(found.namelist()) == 8
        for name in found.namelist():
            assert "castle" in name
            assert found.read(name) == (land / name).read_bytes()


def test_zip_from_a_file_says_what_to_do(browser: Browser, land: Path):
    browser.open(land)
    browser.click(".top .menu > summary")
    browser.click(".top .menu .drop button:nth-child(3)")
    assert "may not read pictures" in browser.one("dialog.offer p").text
    assert (
        browser.one("dialog.offer textarea").get_attribute("value").startswith("python -m zipfile -c land.zip images/")
    )


def test_csv_in_the_page(browser: Browser, land: Path):
    import csv

    browser.open(land)
    browser.click(".top .menu > summary")
    browser.click(".top .menu .drop button:nth-child(4)")
    lines = list(csv.DictReader(io.StringIO(browser.download("land.csv").decode())))
    records = {r.id: r for r in Store(land).ledger().records()}
    assert len(lines) == 24
    for line in lines:
        assert (line["pixels"], line["path"]) == (records[line["id"]].pixels, records[line["id"]].path)


def test_videos_play_in_place(browser: Browser, videos: Path):
    browser.open(videos)
    browser.pictures()
    assert browser.texts(".cell .badge") == ["▶ 0:02", "▶ 0:02"]
    browser.js("document.querySelector('.cell .badge').closest('.cell').focus(); return 1")
    browser.until("const v = document.querySelector('.cell video'); return v && v.currentTime > 0.2 && !v.paused")
    browser.shot("film")
    browser.type("enter")
    browser.until("const v = document.querySelector('.stage video'); return v && v.currentTime > 0.2")
    assert browser.js("document.querySelector('.stage video').poster").endswith(".png")
    browser.js("document.querySelector('.stage video').same = true; return 1")
    browser.type("f")
    assert browser.js("document.querySelector('.stage video').same")  # goes on
    browser.type("space")
    browser.until("return document.querySelector('.stage video').paused")
    browser.shot("video-view")


def test_two_videos_run_as_one(browser: Browser, tmp_path: Path, videos: Path):
    browser.open(videos)
    assert browser.one(".status").text == "2 pictures · 2 videos"
    browser.all(".cell .badge")[0].find_element("xpath", "./ancestor::button").click()
    browser.type("c", "down")
    times = "[...document.querySelectorAll('.stage video')].map(v => [v.currentTime, v.paused])"
    browser.until(f"const t = {times}; return t.length === 2 && t[0][0] > 0.3 && !t[1][1]")
    browser.type("space")
    browser.until(f"const [a, b] = {times}; return a[1] && b[1] && Math.abs(a[0] - b[0]) < 0.05")
    browser.shot("video-compare")
    browser.type("w", "space")
    browser.until(f"const t = {times}; return t.length === 2 && t[0][1] === t[1][1]")


def test_dark_and_narrow(browser: Browser, land: Path, videos: Path):
    browser.dark()
    browser.size(360, 740)
    browser.open(land)
    browser.pictures()
    assert browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(20, 20, 22)"
    assert browser.js("document.documentElement.scrollWidth") <= 360
    assert browser.one(".top").size["height"] < 120
    browser.shot("narrow")
    browser.all(".cell")[1].click()
    browser.pictures(".stage img")
    browser.shot("narrow-view")
    browser.size(1280, 800)
    browser.open(videos)
    browser.pictures()
    browser.shot("dark")
    for name, colour in (("light", "rgb(251, 251, 249)"), ("dark", "rgb(20, 20, 22)")):
        browser.click(".theme")
        assert browser.js("document.documentElement.dataset.theme") == name
        assert browser.js("getComputedStyle(document.body).backgroundColor") == colour


CUT = """[...document.querySelectorAll('.section, .column span, .caption')]
    .filter(n => n.scrollWidth > n.clientWidth || n.scrollHeight > n.clientHeight).map(n => n.textContent)"""

HIDDEN = """return [...document.querySelectorAll('.section, .column')].filter(label => {
    return [...document.querySelectorAll('.frame')].some(frame => {
      const a = label.getBoundingClientRect(), b = frame.getBoundingClientRect();
      return a.bottom > b.top + 1 && a.top < b.bottom - 1 && a.right > b.left && a.left < b.right;
    });
  }).map(n => n.textContent)"""
LOWEST = "Math.max(...[...document.querySelectorAll('.cell')].map(n => n.getBoundingClientRect().bottom))"


def test_labels_are_wrapped_on_a_phone(browser: Browser, forty: Path):
    browser.size(390, 844)
    browser.open(forty)
    browser.pictures()
    browser.shot("phone")
    assert browser.texts(".section")[:2] == [f"canvas {c} · … red torii gate" for c in ("16:9", "1:1")]
    for view in ("down=0.1.3&across=2", "down=0.1.2.3", "filter=1.2.3&down=0"):
        browser.open(forty, view)
        browser.pictures()
        assert browser.all(".cell")
        assert browser.js(CUT) == [], view
        assert browser.js(HIDDEN) == [], view
    browser.shot("phone-wall")


def test_cells_that_stay_get_the_captions_of_another_view(browser: Browser, forty: Path):
    browser.size(390, 844)
    browser.open(forty, "filter=0.1.2.3")
    browser.pictures()
    assert "torii" in browser.texts(".caption")[0]
    browser.js("location.hash = 'filter=1.2.3&down=0'; return 0")
    browser.one(".section")
    assert not any("torii" in text for text in browser.texts(".caption"))
    assert browser.js(CUT) == []


def test_a_window_is_not_left_half_empty(browser: Browser, forty: Path):
    browser.size(1400, 900)
    browser.open(forty)
    browser.pictures()
    browser.shot("forty")
    assert len(browser.all(".cell.done")) == 40
    assert browser.js(LOWEST) > 0.7 * browser.js("document.querySelector('.scroller').clientHeight")
    assert browser.one(".cell").size["width"] > 130
    assert browser.js("const s = document.querySelector('.scroller'); return s.scrollHeight - s.clientHeight") == 0
    browser.open(forty, "across=2.3&down=0.1")  # an address says which axes run across
    assert browser.texts(".column") == ["2", "5", "8", *["0", "1", "2", "3000000000"] * 3]
    assert browser.one(".cell").size["width"] < 100


@pytest.mark.parametrize("state", ["grid", "view", "menu"])
def test_accessible(browser: Browser, land: Path, state: str):
    from axe_core_python.selenium import Axe

    browser.open(land)
    browser.pictures()
    if state == "view":
        browser.all(".cell")[0].click()
        browser.type("c", "right")
    if state == "menu":
        browser.click(".top .menu > summary")
    found = Axe().run(browser.driver)["violations"]
    grave = [
        f"{v['id']}: {n['html'][:150]}" for v in found if v["impact"] in ("serious", "critical") for n in v["nodes"]
    ]
    assert grave == []


@pytest.mark.parametrize("height", [620, 700, 800])
def test_what_fits_has_no_scroll_bar(browser: Browser, videos: Path, height: int) -> None:
    browser.size(1280, height)
    browser.open(videos)
    browser.pictures()
    excess = "const s = document.querySelector('.scroller'); return s.scrollHeight - s.clientHeight"
    assert browser.js(excess) == 0
