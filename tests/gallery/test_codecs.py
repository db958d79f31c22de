"""Videos of every codec in the page: what it links to is there, plays, and can be taken away."""

from __future__ import annotations

import csv
import io
import json
import shlex
import zipfile
from pathlib import Path

import pytest

from sdbatch import video_reader
from sdbatch.engine.fake import Faults
from sdbatch.gallery import csv_text
from sdbatch.spec import file_names
from sdbatch.spec.codecs import CODECS, Codec
from sdbatch.store import Store
from tests.gallery.browser import Browser
from tests.gallery.render import go, planned

Video = tuple[Codec, Store]
PLAYS = {
    "video": "const v = document.querySelector('{} video'); return v && v.currentTime > 0.1 && !v.paused && v.src",
    "img": "const i = document.querySelector('{} img.playing, .box img'); return i && i.naturalWidth && i.src",
}


def scripts(store: Store, name: str) -> dict:
    text = (store.root / "gallery" / name).read_text("ascii")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def file_of(url: str) -> Path:
    return Path(url.removeprefix("file://"))


def test_the_payload_names_the_files_that_are_there(video: Video) -> None:
    codec, store = video
    chunk = scripts(store, "jobs-000.js")
    for (_, path, *_), record in zip(chunk["rows"], store.ledger().records(), strict=True):
        assert path == record.path
        assert path.endswith(f".{codec.suffix}")
        assert (store.root / path).is_file()
        assert (store.root / path).with_suffix(chunk["settings"][0]["video"]["poster"]).is_file()


def test_the_payload_counts_the_frames_of_the_file(video: Video) -> None:
    codec, store = video
    (setting,) = scripts(store, "jobs-000.js")["settings"]
    path = store.file(next(store.ledger().records()))
    frames = sum(1 for _ in video_reader.decode(path))
    assert setting["video"]["frames"] == frames == 2 * 5 + 1  # interpolated
    assert setting["video"]["seconds"] == round(frames / 12, 2)
    assert setting["video"]["element"] == codec.element


@pytest.mark.browser
def test_it_plays_in_the_grid_and_in_full(browser: Browser, video: Video) -> None:
    codec, store = video
    first = next(store.ledger().records())
    browser.open(store.root)
    browser.pictures()
    browser.js("document.querySelector('.cell').focus(); return 1")
    assert file_of(browser.until(PLAYS[codec.element].format(".cell"))) == store.file(first)
    browser.type("enter")
    assert file_of(browser.until(PLAYS[codec.element].format(".stage"))) == store.file(first)
    if codec.element == "video":
        poster = browser.js("document.querySelector('.stage video').poster")
        assert file_of(poster) == file_names.poster(store.file(first))
    assert file_of(browser.one("[data-act=save]").get_attribute("href")) == store.file(first)
    browser.click(".command summary")
    (again,) = [n.text for n in browser.all(".command pre") if "reproduce" in n.text]
    assert shlex.split(again)[-1] == f"source=outputs/{codec.name}/{first.path}"


@pytest.mark.browser
def test_with_reduced_motion_the_poster_is_shown(browser: Browser, video: Video) -> None:
    codec, store = video
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.open(store.root)
    browser.pictures()
    browser.js("document.querySelector('.cell').focus(); return 1")
    assert not browser.all(".cell .playing")
    browser.type("enter")
    if codec.element == "video":
        assert browser.one(".stage video").get_attribute("autoplay") is None
    else:
        assert browser.one(".stage img").get_attribute("src").endswith(file_names.PNG)


@pytest.mark.browser
def test_the_command_makes_exactly_this_video(browser: Browser, video: Video) -> None:
    from tests.gallery.test_page import command_plan

    _, store = video
    browser.open(store.root)
    browser.all(".cell")[1].click()
    browser.click(".command summary")
    command = shlex.split(browser.one(".command pre").text)
    assert command_plan(command[3:]) == [list(store.ledger())[1]]


@pytest.mark.browser
def test_files_as_zip_and_records_as_csv(browser: Browser, video: Video, serve) -> None:
    codec, store = video
    browser.open(serve(store.root))
    browser.click(".top .menu > summary")
    browser.click(".top .menu .drop button:nth-child(3)")
    paths = [record.path for record in store.ledger().records()]
    with zipfile.ZipFile(io.BytesIO(browser.download(f"{codec.name}.zip"))) as found:
        assert found.namelist() == paths
        assert [found.read(path) for path in paths] == [(store.root / path).read_bytes() for path in paths]
    browser.click(".top .menu > summary")
    browser.click(".top .menu .drop button:nth-child(4)")
    lines = list(csv.DictReader(io.StringIO(browser.download(f"{codec.name}.csv").decode())))
    assert [line["path"] for line in lines] == paths


@pytest.mark.browser
def test_the_page_exports_the_same_csv_as_the_task(browser: Browser, tmp_path: Path) -> None:
    """Failures, warnings, what is not rendered, keys that are swept together, pictures and videos: the same bytes."""
    sweep = [
        {"sampling.guidance": [2, 4.5], "sampling.sampler": ["euler_a", "ddim"]},
        {"motion.mode": ["still", "prompt"]},
    ]
    prompts = [{"id": "sea", "text": 'a "sea", calm'}, "a hill · red", {"id": "lake", "text": "a lake,\nwide"}]
    motion = {"frames": 3, "phrase": "at {t:.1f}"}
    plan = planned("x", prompts=prompts, sweep=sweep, motion=motion, negative="fog", seeds=[2**62, 1])
    store = Store(tmp_path / "x", durable=False)
    go(plan, store, Faults(fail=("hill",), warn=("lake",)), shard=(0, 2))
    browser.open(store.root)
    browser.click(".top .menu > summary")
    browser.click(".top .menu .drop button:nth-child(4)")
    assert browser.download("x.csv").decode() == csv_text(plan, store)


def test_a_codec_that_is_registered_is_accepted_rendered_and_shown(tmp_path: Path, monkeypatch) -> None:
    """One entry in the table, and nothing else."""
    like = CODECS["vp9"]
    monkeypatch.setitem(CODECS, "mkv", Codec("mkv", "", "mkv", "matroska", "matroska", like.filters, like.arguments))
    motion = {"mode": "prompt", "frames": 3, "phrase": "at {t:.1f}"}
    store = Store(tmp_path / "x", durable=False)
    go(planned("x", prompts=["a sea"], motion=motion, encoding={"codec": "mkv"}), store)
    (record,) = store.ledger().records()
    assert record.path.endswith(".mkv")
    assert len(list(video_reader.decode(store.file(record)))) == 3
    assert scripts(store, "jobs-000.js")["rows"][0][1] == record.path
