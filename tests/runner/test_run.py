"""The runner with the fake renderer and real files."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sdbatch import files, motion, video_reader
from sdbatch.engine.fake import FakeRenderer, Faults, draw
from sdbatch.errors import DeviceLost, RenderError, StoreError
from sdbatch.media import metadata, png
from sdbatch.motion.settings import Motion
from sdbatch.runner import Options, estimate, run
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.cost import cost
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.renderer import Failure, Feed, Picture
from sdbatch.store import Record, State, Store, Worker
from sdbatch.terminal.progress import Lines
from tests.runner.little import LittlePlan, Opener, digests, plan, still, stills, tree, video


def test_stills_are_files_with_records_and_metadata(store: Store) -> None:
    p = stills(5)
    outcome = run(p, store, Opener())
    assert (outcome.done, outcome.skipped, outcome.failed, outcome.interrupted) == (5, 0, 0, False)
    ledger = store.ledger()
    assert list(ledger) == p.ids
    for i, job_id in enumerate(p.ids):
        record = ledger.get(job_id)
        assert record is not None
        path = store.file(record)
        assert record.path == p[i].path
        assert record.pixels == png.pixel_digest(png.decode(path)) == png.pixel_digest(draw(p[i].shot))
        assert record.file == files.file_digest(path)
        assert record.size == path.stat().st_size
        assert record.profile == outcome.profile.digest
        assert metadata.read(path)["job"]["id"] == job_id


def test_second_run_writes_nothing_and_opens_no_renderer(store: Store) -> None:
    p = plan(still(0), video(4), still(1))
    run(p, store, Opener())
    before = {f: f.stat().st_mtime_ns for f in store.root.rglob("*")}
    again = Opener()
    outcome = run(p, store, again)
    assert (outcome.done, outcome.skipped) == (0, 3)
    assert again.opened == 0
    assert {f: f.stat().st_mtime_ns for f in store.root.rglob("*")} == before


def test_two_runs_in_two_places_are_the_same_bytes(tmp_path: Path) -> None:
    p = plan(*[still(i, size=(16 + 8 * (i % 3), 24)) for i in range(7)], video(5))
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    run(p, one, Opener(rows=4))
    for part in range(3):
        run(p, two, Opener(rows=4), Options(shard=(part, 3), writers=1))
    assert tree(one.root) == tree(two.root)
    summary = json.loads(one.summary.read_text())
    assert (summary["jobs"], summary["done"], summary["new"]) == (8, 8, 0)


def test_every_file_is_on_the_disk_before_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store as the program opens it: every file is complete after a power failure. Renaming keeps a file's inode."""
    synced: set[int] = set()
    fsync = os.fsync

    def spy(fd: int) -> None:
        synced.add(os.fstat(fd).st_ino)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", spy)
    store = Store(tmp_path / "x")
    run(plan(still(0), video(3)), store, Opener(), Options(frames=True))
    there = {str(f.relative_to(store.root)): f.stat().st_ino for f in store.root.rglob("*") if f.is_file()}
    assert {name for name, inode in there.items() if inode not in synced} == set()


def test_a_file_is_there_whole_before_its_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = []
    record = Worker.record

    def spy(worker: Worker, line: Record) -> None:
        path = store.file(line)
        beside = [path.with_suffix(s) for s in (".json", ".png")] if path.suffix != ".png" else []
        recorded.append((line.id, all(p.is_file() for p in (path, *beside)) and files.file_digest(path) == line.file))
        record(worker, line)

    monkeypatch.setattr(Worker, "record", spy)
    p = plan(still(0), still(1), video(3))
    run(p, store, Opener())
    assert sorted(recorded) == sorted((job_id, True) for job_id in p.ids)


@pytest.mark.parametrize("count", [1, 3, 11])
def test_shards_render_every_job_once(store: Store, count: int) -> None:
    p = stills(8)
    rendered = []
    for index in range(count):
        opener = Opener()
        outcome = run(p, store, opener, Options(shard=(index, count)))
        assert opener.rendered == p.ids[index::count]
        assert (outcome.done, outcome.skipped) == (len(opener.rendered), 0)
        rendered += opener.rendered
    assert sorted(rendered) == sorted(p.ids)


def test_nothing_but_results_is_left(store: Store) -> None:
    run(plan(still(0), video(3)), store, Opener())
    names = {str(f.relative_to(store.root).parts[0]) for f in store.root.rglob("*")}
    assert names == {"images", "videos", "shots", "profiles", "plan.jsonl", "manifest.jsonl", "summary.json"}
    assert not [f for f in store.root.rglob(".*")]


def test_without_metadata_files_say_nothing(store: Store) -> None:
    p = plan(still(0), video(3))
    run(p, store, Opener(), Options(metadata=False))
    assert png.read_text(store.root / p[0].path) == {}
    file = store.root / p[1].path
    assert not file.with_suffix(".json").exists()
    with pytest.raises(ValueError, match="has no metadata"):
        metadata.read(file)


def test_larger_buckets_come_first(store: Store) -> None:
    p = plan(still(0, size=(16, 16)), still(1, size=(64, 64)), still(2, size=(32, 32)), still(3, size=(64, 64)))
    opener = Opener(rows=2)
    run(p, store, opener)
    assert opener.rendered == [p.ids[i] for i in (1, 3, 2, 0)]


def test_the_longest_come_first_and_equals_in_order(store: Store) -> None:
    jobs = [still(i) for i in range(4)]
    long = motion.make(replace(jobs[2].shot, steps=50), Motion(), Encoding(), "long")
    p = plan(jobs[0], jobs[1], long, jobs[3])
    opener = Opener(rows=1)
    run(p, store, opener)
    assert opener.rendered == [p.ids[i] for i in (2, 0, 1, 3)]


def test_out_of_memory_continues_under_the_new_profile(store: Store, chain: str) -> None:
    """What was done keeps its profile; what comes after has the new one, and no chain crosses."""
    p = plan(*(still(i) for i in range(6)), video(4, mode=chain, seed=9))

    class Shrinks(FakeRenderer):
        count = 0

        def render(self, feed):
            for result in super().render(feed):
                self.count += 1
                if self.count == 4:
                    self._profile = replace(self._profile, rows=2)
                yield result

    outcome = run(p, store, Shrinks)
    assert (outcome.done, outcome.failed, outcome.left) == (7, 0, 0)
    assert outcome.profile is not None
    assert outcome.profile.rows == 2
    records = {r.id: r for r in store.ledger().records()}
    found = {name: sum(r.profile == name for r in records.values()) for name in {r.profile for r in records.values()}}
    assert sorted(found.values()) in ([1, 6], [2, 5], [3, 4])
    assert all(store.profile(name) is not None for name in found)
    assert records[p.ids[6]].profile == outcome.profile.digest
    assert all(store.shot(s.id, outcome.profile.digest).exists() for s in motion.shots(p[6]))


def test_a_video_is_assembled_from_stored_shots(store: Store) -> None:
    p = plan(video(6))
    run(p, store, Opener())
    file = store.root / p[0].path
    assert video_reader.probe(file).frames == 6
    assert json.loads(file.with_suffix(".json").read_text())["job"]["id"] == p.ids[0]
    assert file.with_suffix(".png").exists()
    shots = motion.shots(p[0])
    assert sorted(f.stem for f in store.root.glob("shots/*/*/*.png")) == sorted(s.id for s in shots)
    record = store.ledger().get(p.ids[0])
    assert record.pixels == files.digest("\n".join(png.pixel_digest(draw(s)) for s in shots).encode())


def test_shared_shots_are_rendered_once(store: Store) -> None:
    a, b = video(6), video(4, fps=12)
    assert {s.id for s in motion.shots(b)} < {s.id for s in motion.shots(a)}
    picture = motion.shots(a)[2]
    p = plan(a, b, motion.make(picture, Motion(), a.video.encoding, "one"))
    opener = Opener()
    outcome = run(p, store, opener)
    assert outcome.done == 3
    assert len(opener.rendered) == len(set(opener.rendered)) == 6
    assert (store.root / p[2].path).exists()


def test_a_new_frame_rate_only_encodes(store: Store) -> None:
    run(plan(video(4, fps=24)), store, Opener())
    again = Opener()
    p = plan(video(4, fps=12), motion.make(motion.shots(video(4))[1], Motion(), video().video.encoding, "still"))
    outcome = run(p, store, again)
    assert (outcome.done, again.opened) == (2, 0)
    assert [f.stem for f in store.root.glob("plans/*")] == [plan_digest(plan(video(4)).ids)]
    assert store.states(p, store.ledger()).orphans == ()


def test_chains_consume_what_is_stored(store: Store, chain: str, tmp_path: Path) -> None:
    p = plan(video(7, mode=chain), *stills(6))
    assert run(p, store, Opener()).done == 7
    other = Store(tmp_path / "other", durable=False)
    run(p, other, Opener(rows=1), Options(writers=1))
    assert {k: v[0] for k, v in digests(store).items()} == {k: v[0] for k, v in digests(other).items()}
    for f in store.root.glob("shots/*/*/*.png"):
        assert png.decode(f).shape == (24, 32, 3)


def test_a_chain_continues_where_it_stopped(store: Store, chain: str, tmp_path: Path) -> None:
    p = plan(video(9, mode=chain))
    shots = motion.shots(p[0])
    first = Opener(Faults(fail=(shots[5].id,)))
    outcome = run(p, store, first)
    assert (outcome.failed, outcome.errors[0][1]) == (1, f"shot {shots[5].id}: simulated failure")
    assert first.rendered == [s.id for s in shots[:6]]
    second = Opener()
    assert run(p, store, second).done == 1
    assert second.rendered == [s.id for s in shots[5:]]
    clean = Store(tmp_path / "clean", durable=False)
    run(p, clean, Opener())
    assert digests(clean) == digests(store)


def test_a_chain_never_crosses_profiles(store: Store, chain: str) -> None:
    p = plan(video(4, mode=chain))
    run(p, store, Opener(Faults(fail=(motion.shots(p[0])[2].id,)), rows=2))
    other = Opener(rows=3)
    assert run(p, store, other).done == 1
    assert len(other.rendered) == 4


@pytest.mark.parametrize(("rows", "rendered"), [(4, 3), (2, 4)], ids=["same", "other"])
def test_a_video_takes_finished_pictures_of_its_own_profile_only(store: Store, rows: int, rendered: int) -> None:
    moving = video(4)
    picture = motion.make(motion.shots(moving)[1], Motion(), moving.video.encoding, "picture")
    run(plan(picture), store, Opener(rows=rows))
    opener = Opener(rows=4)
    assert run(plan(picture, moving), store, opener).done == 1
    assert len(opener.rendered) == rendered


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (Faults(fail=("BAD",)), "simulated failure"),
        (Faults(nan=("BAD",)), "not finite"),
        (Faults(memory=("BAD",)), "out of memory"),
        (Faults(crash=("BAD",)), "RuntimeError: the fake renderer simulates a crash"),
    ],
)
def test_what_fails_is_recorded_and_the_others_continue(store: Store, faults: Faults, message: str) -> None:
    p = plan(*[still(i, "BAD sea" if i in (1, 4) else "sea") for i in range(8)], video(3), video(3, prompt="BAD"))
    outcome = run(p, store, Opener(faults))
    assert (outcome.done, outcome.failed) == (7, 3)
    ledger = store.ledger()
    failed = [i for i, job_id in enumerate(p.ids) if not ledger.get(job_id).done]
    assert failed == [1, 4, 9]
    assert message in ledger.get(p.ids[1]).error
    healthy = Opener()
    again = run(p, store, healthy)
    assert (again.done, again.skipped, again.failed) == (3, 7, 0)


def test_a_renderer_that_always_crashes_ends_the_run(store: Store) -> None:
    with pytest.raises(RenderError, match="16 times in a row"):
        run(stills(100), store, Opener(Faults(crash=("sea",))))
    assert len(store.ledger()) < 20


class Lost(Opener):
    """Opens renderers whose device is lost after seven pictures."""

    def __call__(self) -> FakeRenderer:
        renderer = super().__call__()
        real = renderer.render

        def render(feed: Feed) -> Iterator[Picture | Failure]:
            for n, result in enumerate(real(feed)):
                if n == 7:
                    raise DeviceLost("the GPU stopped working")
                yield result

        renderer.render = render  # type: ignore[method-assign]
        return renderer


def test_a_lost_device_ends_the_run_and_blames_no_job(store: Store) -> None:
    p = stills(100)
    with pytest.raises(DeviceLost, match="the GPU stopped working"):
        run(p, store, Lost())
    records = list(store.ledger().records())
    assert [r.status for r in records] == ["done"] * 7
    assert all(store.intact(r) for r in records)
    assert run(p, store, Opener()).done == 93


def test_a_run_begins_with_how_it_renders(store: Store) -> None:
    out = io.StringIO()
    run(stills(2), store, Opener(), Options(progress=Lines(Console(file=out, width=200))))
    assert out.getvalue().splitlines()[:2] == ["fake renderer, 4 shots at a time", "rendering 2 pictures for 2 jobs"]


def test_an_encoder_that_fails_is_that_jobs_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    p = plan(*stills(6), video(3))
    encode = png.encode

    def broken(pixels, text=None, xmp=None):
        if text and p.ids[2] in text.get("sdbatch", ""):
            raise ValueError("no such luck")
        return encode(pixels, text, xmp)

    monkeypatch.setattr(png, "encode", broken)
    outcome = run(p, store, Opener())
    assert (outcome.done, outcome.failed, outcome.errors) == (6, 1, ((p.ids[2], "ValueError: no such luck"),))
    monkeypatch.undo()
    assert run(p, store, Opener()).done == 1


def test_a_video_encoder_that_fails_is_that_videos_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    p = plan(video(3), still(0))

    def broken(*_):
        raise StoreError("video.mp4: ffmpeg failed: no such luck")

    monkeypatch.setattr("sdbatch.media.compositing.assemble", broken)
    outcome = run(p, store, Opener())
    assert (outcome.done, outcome.failed) == (1, 1)
    monkeypatch.undo()
    again = Opener()
    assert run(p, store, again).done == 1
    assert again.opened == 0  # all its shots are there


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_picture_is_stale_and_rendered_again(store: Store, damage: str) -> None:
    p = stills(3)
    run(p, store, Opener())
    before = tree(store.root)
    path = store.root / p[1].path
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:50])
    assert store.states(p, store.ledger())[1] is State.STALE
    opener = Opener()
    assert run(p, store, opener).done == 1
    assert opener.rendered == [p.ids[1]]
    assert tree(store.root) == before


def _video_to_make_again(store: Store) -> tuple[LittlePlan, dict[str, bytes]]:
    """Its shots are stored, its file is gone; the folder as it was."""
    p = plan(video(4))
    run(p, store, Opener())
    before = tree(store.root)
    (store.root / p[0].path).unlink()
    return p, before


def test_a_damaged_shot_is_rendered_again(store: Store) -> None:
    p, before = _video_to_make_again(store)
    shots = sorted(store.root.glob("shots/*/*/*.png"))
    shots[0].write_bytes(shots[0].read_bytes()[:-20])
    opener = Opener()
    assert run(p, store, opener).done == 1
    assert opener.rendered == [shots[0].stem]
    assert tree(store.root) == before


def test_a_shot_damaged_inside_fails_its_video_once(store: Store) -> None:
    p = plan(video(4))
    run(p, store, Opener())
    (store.root / p[0].path).unlink()
    shot = sorted(store.root.glob("shots/*/*/*.png"))[0]
    data = bytearray(shot.read_bytes())
    data[60] ^= 255
    shot.write_bytes(data)
    outcome = run(p, store, Opener())
    assert outcome.failed == 1
    assert shot.stem in outcome.errors[0][1]
    assert run(p, store, Opener()).done == 1


@pytest.mark.parametrize("how", ["another shot", "another program's"])
def test_a_shot_that_was_exchanged_is_noticed(store: Store, how: str) -> None:
    """A whole PNG of the same size where a shot was: no manifest line speaks of shots, the file itself does."""
    p, before = _video_to_make_again(store)
    one, other = sorted(store.root.glob("shots/*/*/*.png"))[:2]
    one.write_bytes(other.read_bytes() if how == "another shot" else png.encode(png.decode(one)))
    outcome = run(p, store, Opener())
    assert outcome.errors[0][1] == f"{one.name}: its pixels differ from the stored digest; run again to render it"
    again = Opener()
    assert run(p, store, again).done == 1
    assert again.rendered == [one.stem]
    assert tree(store.root) == before


def test_all_damaged_shots_are_rendered_by_one_more_run(store: Store) -> None:
    p, before = _video_to_make_again(store)
    shots = sorted(store.root.glob("shots/*/*/*.png"))
    first = shots[0].read_bytes()
    for path in shots[1:]:
        path.write_bytes(first)
    assert run(p, store, Opener()).failed == 1
    again = Opener()
    assert run(p, store, again).done == 1
    assert sorted(again.rendered) == [path.stem for path in shots[1:]]
    assert tree(store.root) == before


def test_retry_profile_renders_what_another_profile_did(store: Store) -> None:
    p = stills(4)
    run(plan(p[0], p[1]), store, Opener(rows=2))
    assert run(p, store, Opener(rows=4)).done == 2
    assert store.states(p, store.ledger(), FakeRenderer(rows=4).profile.digest).counts[State.OTHER] == 2
    outcome = run(p, store, Opener(rows=4), Options(retry="profile"))
    assert (outcome.done, outcome.skipped) == (2, 2)
    assert {r.profile for r in store.ledger().records()} == {outcome.profile.digest}
    assert run(p, store, Opener(rows=4), Options(retry="profile")).done == 0


def test_warnings_survive_a_resumed_video(store: Store) -> None:
    p = plan(video(4))
    shots = motion.shots(p[0])
    run(p, store, Opener(Faults(warn=(shots[0].id,), fail=(shots[3].id,)), rows=1))
    assert run(p, store, Opener(rows=1)).done == 1
    assert store.ledger().get(p.ids[0]).warnings == ("simulated warning",)


def test_a_new_slug_leaves_no_old_file(store: Store) -> None:
    run(plan(still(0, slug="old")), store, Opener())
    (store.root / still(0, slug="old").path).write_bytes(b"changed")
    run(plan(still(0, slug="new")), store, Opener())
    assert [f.name for f in (store.root / "images").iterdir()] == [Path(still(0, slug="new").path).name]


def test_a_renderer_that_keeps_a_shot_is_an_error(store: Store) -> None:
    class Forgetful(FakeRenderer):
        def render(self, feed):
            while (shot := feed.take()) is not None:
                if shot.seed != 1:
                    yield Picture(shot, draw(shot))

    outcome = run(stills(3), store, Forgetful)
    assert (outcome.done, outcome.failed, outcome.errors[0][1]) == (2, 1, "the renderer returned no picture")


def test_timings_give_estimates(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "timings.json"
    p = stills(3)
    model = p[0].shot.model.weights
    assert estimate(path, 1.0, model) is None
    run(p, store, Opener(), Options(timings=path))
    (last,) = json.loads(path.read_text()).values()
    assert last["work"] == round(sum(cost(job.shot) for job in p), 3) > 0
    path.write_text(json.dumps({"p": last | {"seconds": 5.0}}))
    assert estimate(path, 4 * last["work"], model) == 20.0
    assert estimate(path, 1.0, "a larger one") is None
    path.write_text(json.dumps({"p": {"model": model, "seconds": "x"}}))
    assert estimate(path, 1.0, model) is None


def test_orphans_are_what_no_kept_plan_wants(store: Store) -> None:
    run(stills(4), store, Opener())
    run(stills(2), store, Opener())
    states = store.states(stills(2), store.ledger())
    assert (len(states), states.orphans) == (2, ())
    for kept in store.root.glob("plans/*"):
        kept.unlink()
    assert store.states(stills(2), store.ledger()).orphans == tuple(sorted(stills(4).ids[2:]))


def test_labels_of_a_kept_plan_are_kept_up_to_date(store: Store) -> None:
    run(stills(2), store, Opener())
    run(stills(2, slug="b-sea"), store, Opener())
    assert b"b-sea" in store.plan.read_bytes()
    assert not list(store.root.glob("plans/*"))


def test_hostile_renderer_errors_become_short_records(store: Store) -> None:
    class Wordy(FakeRenderer):
        def render(self, feed):
            shot = feed.take()
            if shot is not None:
                raise ValueError("x\n" * 10_000 + "\ud800")
            yield from ()

    outcome = run(plan(still(0)), store, Wordy)
    assert outcome.failed == 1
    assert len(outcome.errors[0][1]) <= 500
    assert "\n" not in store.ledger().get(still(0).id).error


def test_two_sizes_of_one_video(store: Store) -> None:
    odd = motion.make(replace(still(0).shot, width=33, height=25), video(3).video.motion, video().video.encoding, "odd")
    assert run(plan(odd), store, Opener()).done == 1
