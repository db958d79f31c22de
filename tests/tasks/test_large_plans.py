"""Files of a large plan lie in 256 folders, and every task finds them there. What counts as large is small here."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sdbatch.spec import file_names
from sdbatch.store import State, Store
from sdbatch.store.folder import Folder as Paths
from sdbatch.store.plan_file import kept_ids
from sdbatch.tasks.rerender import JobList
from tests.tasks.conftest import Folder

LARGE = {"seeds": "0..3"}  # eight jobs


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("plan.plan", "store.store", "tasks.final_jobs", "gallery.site"):
        monkeypatch.setattr(f"sdbatch.{module}.FLAT", 4)


def paths(store: Store) -> list[str]:
    return sorted(r.path for r in store.ledger().records())


def test_a_large_plan_is_spread_by_id(folder: Folder) -> None:
    assert folder.run(**LARGE) == 0
    found = paths(folder.store)
    assert len(found) == 8
    for path in found:
        digits, job_id = re.fullmatch(r"images/([0-9a-f]{2})/[a-z-]+-s\d-(j[0-9a-f]{16})\.png", path).groups()
        assert job_id[1:3] == digits
        assert (folder.store.root / path).is_file()
    assert folder.run(**LARGE) == 0
    assert "8 done before" in folder.out


def test_every_task_finds_them(folder: Folder) -> None:
    assert folder.run(**LARGE) == 0
    assert folder.run(**LARGE, task="verify") == 0
    assert folder.run(prompts=[], task="verify") == 0, "with the plan of the folder"
    assert "nothing to remove" in (folder.run(**LARGE, task="prune"), folder.out)[1]
    assert folder.run(**LARGE, task="sheet") == 0
    assert folder.run(**LARGE, task="gallery", gallery={"enabled": True}) == 0
    assert len(list(folder.store.root.glob("gallery/thumbs/??/*.jpg"))) == 8
    assert folder.run(task="reproduce", source=str(folder.store.root / paths(folder.store)[0])) == 0
    assert folder.run(task="final", final={"jobs": [paths(folder.store)[0]], "set": {"sampling.steps": 5}}) == 0


def test_damaged_files_are_found_and_repaired(folder: Folder) -> None:
    assert folder.run(**LARGE) == 0
    before = folder.tree()
    one, two = (folder.store.root / path for path in paths(folder.store)[:2])
    one.unlink()
    two.write_bytes(b"not a picture")
    assert folder.run(**LARGE, task="verify", verify={"sample": 0, "repair": True}) == 0
    assert folder.tree() == before


def test_a_missing_file_is_noticed_without_a_question_for_each(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.run(**LARGE) == 0
    (folder.store.root / paths(folder.store)[0]).unlink()

    def refuse(*_: object) -> bool:
        raise AssertionError("asked for one file")

    monkeypatch.setattr(Paths, "intact", refuse)
    ledger = folder.store.ledger()
    states = folder.store.states(JobList.named(kept_ids(folder.store.plan)), ledger)
    assert (states.counts[State.DONE], states.counts[State.STALE]) == (7, 1)


def test_the_page_asks_for_no_single_picture_either(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.run(**LARGE) == 0
    (folder.store.root / paths(folder.store)[0]).unlink()
    monkeypatch.setattr(Paths, "intact", lambda *_: pytest.fail("asked for one file"))
    assert folder.run(**LARGE, task="gallery") == 0
    letters = (folder.store.root / "gallery" / "state.js").read_text().partition('"letters":"')[2][:8]
    assert sorted(letters) == [".", *"ddddddd"]


def test_a_plan_that_has_grown_keeps_its_earlier_files(folder: Folder) -> None:
    assert folder.run() == 0
    small = paths(folder.store)
    assert len(small) == 4
    assert not any(file_names.is_spread(path) for path in small)
    assert folder.run(**LARGE) == 0
    assert "4 rendered, 4 done before" in folder.out
    found = paths(folder.store)
    assert set(small) < set(found)
    assert sum(file_names.is_spread(path) for path in found) == 4
    assert folder.run(**LARGE, task="verify") == 0
    assert "nothing to remove" in (folder.run(**LARGE, task="prune"), folder.out)[1]


def test_strays_and_what_a_killed_process_left_are_cleared_up(folder: Folder) -> None:
    assert folder.run(**LARGE) == 0
    root = folder.store.root
    before = folder.tree()
    (root / "images/00").mkdir(exist_ok=True)
    (root / "images/00/stray.png").write_bytes(b"x")
    (root / "images/00/.tmp-0a1b2c3d-7.png").write_bytes(b"x")
    (root / "images/not").mkdir()
    assert folder.run(**LARGE, task="prune", prune={"apply": True}) == 0
    assert "stray  images/00/stray.png" in folder.out
    (root / "images/not").rmdir()
    assert folder.tree() == before


def test_videos_and_their_shots_are_spread(folder: Folder, videos) -> None:
    more = videos("prompt")
    store = folder.store
    shots = [path for profile in store.shot_profiles() for path in store.shot_files(profile)]
    assert shots
    assert all(path.parent.name == path.stem[1:3] for path in shots)
    assert folder.run(task="verify", **more) == 0


def test_shots_of_earlier_versions_are_found(folder: Folder, videos) -> None:
    more = videos("feedback")
    store = folder.store
    (profile,) = store.shot_profiles()
    shots = store.shot_files(profile)
    for path in shots:
        path.rename(store.shots(profile) / path.name)
    assert sorted(p.name for p in store.shot_files(profile)) == sorted(p.name for p in shots)
    for path in store.root.glob("videos/*"):
        path.unlink()
    before = {p: p.stat().st_mtime_ns for p in store.shot_files(profile)}
    assert folder.run(**more) == 0
    assert {p: p.stat().st_mtime_ns for p in store.shot_files(profile)} == before, "nothing was rendered again"


@pytest.mark.parametrize(
    "path",
    [
        "images/../x.png",
        "images/3f/../x.png",
        "images/3f/../../x.png",
        "images/3f/4a/x.png",
        "images/3g/x.png",
        "images/3F/x.png",
        "images/3f//x.png",
        "images/3f/.x.png",
        "/images/3f/x.png",
        "images/3f\\x/y.png",
        "other/3f/x.png",
    ],
)
def test_no_path_leads_outside(path: str) -> None:
    assert not file_names.is_inside(path)
    assert file_names.naming_of(path, 7, "j0123456789abcdef") == ("", "")
    assert not file_names.is_spread(path)


def test_a_link_in_place_of_a_folder_is_not_followed(folder: Folder) -> None:
    assert folder.run(**LARGE) == 0
    outside = folder.root / "outside"
    outside.mkdir()
    (outside / "mine.png").write_bytes(b"x")
    taken = {p.name for p in file_names.fans(folder.store.root / "images")}
    free = next(f"{n:02x}" for n in range(256) if f"{n:02x}" not in taken)
    (folder.store.root / "images" / free).symlink_to(outside)
    assert folder.run(**LARGE, task="prune", prune={"apply": True}) == 0
    assert (outside / "mine.png").exists()
    shutil.rmtree(outside)


def test_names_of_files_are_read_back() -> None:
    job_id = "j0123456789abcdef"
    flat = file_names.job_file(file_names.usual_stem("a-sea", 7, job_id), job_id, None)
    spread = file_names.job_file(file_names.usual_stem("a-sea", 7, job_id), job_id, "h264", spread=True)
    assert (flat, spread) == ("images/a-sea-s7-j0123456789abcdef.png", "videos/01/a-sea-s7-j0123456789abcdef.mp4")
    assert [file_names.naming_of(p, 7, job_id) for p in (flat, spread)] == [("a-sea", "")] * 2
    assert file_names.naming_of(flat, 8, job_id) == ("", f"a-sea-s7-{job_id}")
    assert [file_names.is_spread(p) for p in (flat, spread)] == [False, True]
    assert all(file_names.is_inside(p) for p in (flat, spread))
    assert Path(spread).suffix == ".mp4"
