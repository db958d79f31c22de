"""task=final: favourites of a draft, made well; each record says from which job it came."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdbatch import video_reader
from sdbatch.gallery import Site
from sdbatch.media import metadata, png
from sdbatch.store import Store
from tests.tasks.conftest import Folder


def _ids(store: Store) -> list[str]:
    return [r.id for r in store.ledger().records()]


def _final(folder: Folder) -> Store:
    return Store(folder.root / "outputs/little-final")


def test_a_final_says_where_it_comes_from(stills: Folder) -> None:
    draft = _ids(stills.store)
    before = stills.tree()
    change = {"sampling.steps": 50, "sampling.guidance": 9, "canvas": "96x64"}
    assert stills.run(task="final", final={"jobs": draft[1:3], "set": change}) == 0
    first, *others = stills.out.splitlines()
    assert first.startswith("little-final: 2 rendered in ")
    assert others == ["  images: outputs/little-final/images"]
    made = list(_final(stills).ledger().records())
    assert [r.origin for r in made] == draft[1:3]
    for record in made:
        said = metadata.read(_final(stills).file(record))
        assert said["origin"] == record.origin
        assert (said["job"]["shot"]["steps"], said["job"]["shot"]["guidance"]) == (50, 9.0)
        assert png.decode(_final(stills).file(record)).shape == (64, 96, 3)
    assert stills.tree() == before
    assert stills.run(task="final", final={"jobs": draft[1:3], "set": change}) == 0
    assert "2 done before" in stills.out


def test_a_changed_text_may_change_with_the_step(stills: Folder) -> None:
    draft = _ids(stills.store)[0]
    assert stills.run(task="final", final={"jobs": draft, "set": {"negative": "[fog:rain:0.5]"}}) == 0
    (record,) = _final(stills).ledger().records()
    assert metadata.read(_final(stills).file(record))["job"]["shot"]["step_syntax"] is True


def test_names_of_files_and_lists_of_them(stills: Folder) -> None:
    draft = _ids(stills.store)
    Path("favourites.txt").write_text(f"# the best\n{draft[3]}\noutputs/x/a-s0-{draft[0]}.png good\n")
    name = str(stills.path("images/*", 1))
    assert stills.run(task="final", final={"jobs": ["favourites.txt", name], "set": {"negative": "fog"}}) == 0
    origins = [r.origin for r in _final(stills).ledger().records()]
    assert origins[:2] == [draft[3], draft[0]]
    assert len(origins) == 3
    assert stills.run(task="final", final={"jobs": draft[0], "name": "best", "set": {"sampling.steps": 9}}) == 0
    assert (stills.root / "outputs/best/manifest.jsonl").is_file()


def test_a_picture_becomes_a_video_and_a_video_another(folder: Folder, videos) -> None:
    videos("feedback")
    video = _ids(folder.store)[0]
    assert folder.run(task="final", final={"jobs": video, "set": {"motion.fps": 4, "encoding.quality": 30}}) == 0
    (record,) = _final(folder).ledger().records()
    assert video_reader.probe(_final(folder).file(record)).fps == 4
    assert folder.run(seeds=[9]) == 0
    still = next(r.id for r in folder.store.ledger().records() if r.path.startswith("images/"))
    change = {"motion.mode": "zoom", "motion.frames": 6, "motion.zoom": [[0, 1], ["end", 2]]}
    assert folder.run(task="final", final={"jobs": still, "set": change, "name": "moving"}) == 0
    (record,) = Store(folder.root / "outputs/moving").ledger().records()
    assert record.path.endswith(".mp4")
    assert record.origin == still


def test_the_draft_may_have_changed_since(stills: Folder) -> None:
    first = _ids(stills.store)[0]
    assert stills.run(seeds=[40]) == 0
    assert stills.run(task="final", seeds=[41], final={"jobs": first, "set": {"sampling.steps": 9}}) == 0
    assert "1 rendered" in stills.out


def test_finals_can_be_verified_and_keep_their_origin(stills: Folder) -> None:
    draft = _ids(stills.store)
    assert stills.run(task="final", final={"jobs": draft, "set": {"sampling.steps": 9}}) == 0
    assert stills.run(task="verify", name="little-final", prompts=[]) == 0
    assert "4 bit-equal" in stills.out
    before = stills.tree("outputs/little-final/**/*")
    next((stills.root / "outputs/little-final/images").glob("*")).unlink()
    assert stills.run(task="verify", name="little-final", prompts=[], verify={"repair": True}) == 0
    assert stills.tree("outputs/little-final/**/*") == before


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "final.jobs: is empty"),
        ({"jobs": "nothing.txt"}, "is neither an id nor a readable file"),
        ({"jobs": "~nouser/x.txt"}, "final.jobs: '~nouser/x.txt': there is no such user"),
        ({"jobs": "j0123456789abcdef"}, "j0123456789abcdef is not a job of"),
        ({"set": {"sampling.stepps": 9}}, "did you mean 'sampling.steps'"),
        ({"set": None}, "final.set: does not change these jobs"),
        ({"set": {"sampling.steps": 4}}, "final.set: does not change these jobs"),
        ({"set": {"seeds": 9}}, "final.set.seeds: cannot be changed"),
        ({"set": {"steps": 9}}, "final.set.steps: cannot be changed (did you mean 'sampling.steps'?)"),
        ({"set": {"sampling.steps": 0}}, "final.set.sampling.steps: 0 is out of range"),
        ({"set": {"sampling.sampler": "eulr"}}, "did you mean 'euler"),
        ({"set": {"canvas": 969}}, 'quote the ratio: "16:9"'),
        ({"set": {"negative": 3}}, "final.set.negative: 3 is not text"),
        ({"set": {"motion.mode": "zoom"}}, "needs a length"),
        ({"set": {"sampling.sampler": "lcm", "sampling.steps": 200}}, "for sampler lcm"),
    ],
)
def test_what_is_wrong_is_named(stills: Folder, settings: dict, says: str) -> None:
    first = _ids(stills.store)[0]
    request = settings if "jobs" in settings or not settings else {"jobs": first} | settings
    assert says in stills.wrong(task="final", final=request)


def test_everything_that_is_wrong_at_once(stills: Folder) -> None:
    request = {
        "jobs": [_ids(stills.store)[0], "j0123456789abcdef", "zzz"],
        "set": {"steps": 9, "sampling.guidance": 99},
    }
    said = stills.wrong(task="final", final=request).splitlines()
    assert [line.partition(": ")[0] for line in said] == [
        *("final.jobs", "final.set.steps", "final.jobs", "final.set.sampling.guidance")
    ]


def test_an_id_that_is_nearly_right(stills: Folder) -> None:
    first = _ids(stills.store)[0]
    wrong = first[:-1] + ("0" if first[-1] != "0" else "1")
    assert f"did you mean '{first}'" in stills.wrong(task="final", final={"jobs": wrong})


def test_a_final_honours_what_a_run_honours(folder: Folder, videos) -> None:
    """Shards, frames, timings, retry and the page: the keys of a run, not a selection of them."""
    videos("prompt")
    draft = _ids(folder.store)
    change = {"motion.fps": 4, "sampling.steps": 9}
    request = {"task": "final", "final": {"jobs": draft, "set": change}}
    more = {"output": {"frames": True}, "gallery": {"enabled": True}}
    assert folder.run(**request, **more, shard={"index": 1, "count": 2}) == 0
    (record,) = _final(folder).ledger().records()
    assert record.origin == draft[1]
    assert len(list(_final(folder).root.glob(f"frames/{record.id}/*.png"))) == 5
    assert (folder.root / "runs/little-final/timings.json").is_file()
    assert (folder.root / "runs/little-final/progress.json").is_file()
    letters = (_final(folder).root / "gallery/state.js").read_text().partition('"letters":"')[2][:2]
    assert letters == ".d"
    assert folder.run(**request, **more) == 0
    assert "1 rendered, 1 done before" in folder.out
    rebuilt = folder.tree("outputs/little-final/**/*")
    assert folder.run(task="gallery", name="little-final", prompts=[]) == 0
    assert folder.tree("outputs/little-final/**/*") == rebuilt


def test_a_final_is_live_while_it_renders(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[dict] = []
    monkeypatch.setattr(Site, "publish", lambda site, board, live: published.append(live))
    request = {"jobs": _ids(stills.store), "set": {"sampling.steps": 9}}
    assert stills.run(task="final", final=request, gallery={"enabled": True}) == 0
    assert published[-1]["total"] == 4


def test_a_final_of_another_profile_is_made_again_if_asked(stills: Folder) -> None:
    request = {"task": "final", "final": {"jobs": _ids(stills.store), "set": {"sampling.steps": 9}}}
    assert stills.run(**request) == 0
    assert stills.run(**request, runtime={"rows": 2}) == 0
    assert "4 done before" in stills.out
    assert stills.run(**request, runtime={"rows": 2}, retry="profile") == 0
    assert "4 rendered" in stills.out
