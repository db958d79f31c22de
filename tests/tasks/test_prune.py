"""task=prune: lists what no plan needs, and removes it with prune.apply, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdbatch.config.tasks import PruneSettings
from sdbatch.errors import StoreError
from sdbatch.store import Record, Store
from sdbatch.tasks import prune
from sdbatch.tasks.verify.repair import order
from tests.tasks.conftest import Folder


def _prune(folder: Folder, **more) -> str:
    settings = more.pop("prune", {})
    assert folder.run(task="prune", prune=settings, **more) == 0
    return folder.out


def test_nothing_that_is_needed_is_removed(stills: Folder) -> None:
    before = stills.tree()
    assert "nothing to remove" in _prune(stills, prune={"apply": True, "plans": True, "shots": True})
    assert stills.tree() == before


def test_a_kept_plan_keeps_its_jobs(stills: Folder) -> None:
    assert stills.run(seeds=[0]) == 0
    before = stills.tree()
    assert "nothing to remove" in _prune(stills, seeds=[0], prune={"apply": True})
    out = _prune(stills, seeds=[0], prune={"plans": True})
    assert "2 records, 2 orphan files, 1 plan file" in out
    assert "nothing was removed" in out
    assert stills.tree() == before


def test_pruned_is_as_if_never_rendered_otherwise(folder: Folder, videos) -> None:
    more = videos("feedback")
    wide = more | {"seeds": [3, 4]}
    reference = folder.tree()
    assert folder.run(**wide) == 0
    assert folder.run(**more) == 0
    folder.store.root.joinpath("images").mkdir()
    (folder.store.root / "images/stray.png").write_bytes(b"x")
    out = _prune(folder, prune={"apply": True, "plans": True}, **more)
    assert "removed" in out
    assert "stray  images/stray.png" in out
    assert folder.tree() == reference
    assert folder.run(task="verify", **more) == 0


def test_shots_of_finished_videos(folder: Folder, videos) -> None:
    more = videos("zoom")
    shots = {p for p in folder.tree() if "/shots/" in p}
    assert shots
    assert "nothing to remove" in _prune(folder, **more)
    assert f"{len(shots)} shot files" in _prune(folder, prune={"shots": True, "apply": True}, **more)
    assert not (folder.store.root / "shots").exists()
    assert folder.run(task="verify", **more) == 0
    folder.path("videos/*.mp4").unlink()
    assert folder.run(**more) == 0
    folder.path("videos/*.mp4").unlink()
    again = {p for p in folder.tree() if "/shots/" in p}
    assert 0 < len(again) < len(shots), "of the one video that was rendered again, which is now missing once more"
    assert "nothing to remove" in _prune(folder, prune={"shots": True, "apply": True}, **more)


def test_shots_of_an_older_kept_plan_stay(folder: Folder, videos: Callable[[str], dict[str, Any]]) -> None:
    more = videos("zoom")
    shots = {p: d for p, d in folder.tree().items() if "/shots/" in p}
    assert shots
    assert folder.run(seeds=[4]) == 0
    assert "nothing to remove" in _prune(folder, seeds=[4], prune={"apply": True})
    assert {p: d for p, d in folder.tree().items() if "/shots/" in p} == shots
    _prune(folder, seeds=[4], prune={"apply": True, "plans": True})
    assert not (folder.store.root / "shots").exists(), "without that plan nothing needs them"
    assert folder.run(**more) == 0


def test_plans_that_cannot_be_read_keep_all_shots(folder: Folder, videos) -> None:
    more = videos("zoom")
    kept = folder.store.plan
    kept.write_text(kept.read_text().replace('"factor"', '"factor_of_tomorrow"').replace('"steps":4', '"steps":"?"'))
    before = {p for p in folder.tree() if "/shots/" in p}
    _prune(folder, prune={"shots": True, "apply": True}, **more)
    assert {p for p in folder.tree() if "/shots/" in p} == before


def test_frames_of_videos_that_nothing_wants(folder: Folder, videos) -> None:
    more = videos("prompt") | {"output": {"frames": True}}
    assert folder.run(**more | {"seeds": [4]}) == 0
    wanted = {p for p in folder.tree() if "/frames/" in p}
    assert folder.run(**more | {"seeds": [5]}) == 0
    assert {p for p in folder.tree() if "/frames/" in p} > wanted
    out = _prune(folder, prune={"apply": True, "plans": True}, **more | {"seeds": [4]})
    assert "10 frame files" in out
    assert {p for p in folder.tree() if "/frames/" in p} == wanted
    assert len(list(folder.store.root.glob("frames/*"))) == 2


def test_only_a_name_is_needed(stills: Folder) -> None:
    (stills.store.root / "images/stray.png").write_bytes(b"x")
    assert "1 stray file" in _prune(stills, prompts=[], prune={"apply": True})
    assert len(list(stills.store.root.glob("images/*"))) == 4
    said = stills.wrong(task="prune", prompts=[], name="litle")
    assert "name: outputs/litle does not exist (did you mean 'little'?)" in said


def test_not_while_someone_renders(stills: Folder) -> None:
    (stills.store.root / "images/stray.png").write_bytes(b"x")
    with stills.store.worker(), pytest.raises(StoreError, match="another process renders into this folder"):
        stills.run(task="prune", prune={"apply": True})
    assert (stills.store.root / "images/stray.png").exists()


def test_not_after_someone_has_rendered_since_the_scan(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose picture the scan takes for a stray file, because its record is written later."""
    store, record = stills.store, _unrecorded(stills)
    worker, scan = store.worker(), prune._planned

    def end(*args: Any) -> Any:
        worker.record(record)
        store.compact(worker, order(store))
        return scan(*args)

    with monkeypatch.context() as patch:
        patch.setattr(prune, "_planned", end)
        with pytest.raises(StoreError, match="another process has changed this folder meanwhile"):
            stills.run(task="prune", prune={"apply": True})
    assert store.intact(record)
    assert "nothing to remove" in _prune(stills, prune={"apply": True})


def test_a_picture_recorded_at_the_last_moment_stays(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    store, record, compact = stills.store, _unrecorded(stills), Store.compact

    def late(self: Store, *args: Any) -> Any:
        with store.worker() as other:
            other.record(record)
        return compact(self, *args)

    monkeypatch.setattr(Store, "compact", late)
    (store.root / "images/stray.png").write_bytes(b"x")
    assert "1 stray file;" in _prune(stills, prune={"apply": True})
    assert store.intact(record)
    assert record.id in store.ledger()
    assert not (store.root / "images/stray.png").exists()


def _unrecorded(folder: Folder) -> Record:
    """The record of a finished picture, which is removed from the manifest."""
    store = folder.store
    record = next(store.ledger().records())
    with store.worker() as worker:
        store.compact(worker, order(store), {record.id})
    return record


def test_a_forged_record_takes_no_file_with_it(stills: Folder) -> None:
    """An orphan's line that names the file of a wanted job."""
    lines = stills.store.manifest.read_text().splitlines()
    forged = json.loads(lines[0]) | {"id": "j" + "0" * 16}
    stills.store.manifest.write_text("\n".join([*lines, json.dumps(forged)]) + "\n")
    before = {p: d for p, d in stills.tree().items() if p.endswith(".png")}
    assert "1 record; 0.0 MB" in _prune(stills, prune={"apply": True})
    assert {p: d for p, d in stills.tree().items() if p.endswith(".png")} == before
    assert stills.run(task="verify") == 0


def test_a_crash_between_records_and_files_leaves_strays(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stills.run(seeds=[0]) == 0

    unlink = Path.unlink

    def crash(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "images":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crash)
        with pytest.raises(KeyboardInterrupt):
            stills.run(task="prune", seeds=[0], prune={"apply": True, "plans": True})
    assert "2 stray files" in _prune(stills, seeds=[0], prune={"apply": True, "plans": True})
    assert len(list(stills.store.root.glob("images/*"))) == 2


def test_profiles_that_nothing_names(stills: Folder) -> None:
    other = stills.store.root / "profiles/p0000000000000000.json"
    other.write_text("{}")
    assert "1 profile file" in _prune(stills, prune={"apply": True})
    assert not other.exists()
    assert len(list(stills.store.root.glob("profiles/*"))) == 1


def test_nothing_there(folder: Folder) -> None:
    assert not prune.unwanted(Store(folder.root / "outputs/x"), None, PruneSettings())
    assert "nothing to remove" in _prune(folder)
    assert not (folder.root / "outputs").exists()
