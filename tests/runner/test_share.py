"""Several runs on one plan at the same time: what is shared between videos, profiles and rounds is made once."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from sdbatch import motion
from sdbatch.engine.fake import FakeRenderer, Faults
from sdbatch.errors import ConfigError
from sdbatch.motion.settings import Motion
from sdbatch.plan import division
from sdbatch.runner import Options, Outcome, outputs, run, share, timings
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.cost import cost
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.renderer import Profile
from sdbatch.store import Claim, Claims, Liveness, Record, Report, Run, Store
from sdbatch.store.plan_file import Plan
from sdbatch.terminal.progress import Progress
from tests.runner.little import Opener, digests, plan, still, stills, tree, video
from tests.store.test_claims import die


def together(p: Plan, store: Store, openers: Sequence[Opener], options: Options | None = None) -> list[Outcome]:
    """A run for each of ``openers``, all beginning in the same instant."""
    barrier = threading.Barrier(len(openers))

    def one(opener: Opener) -> Outcome:
        barrier.wait()
        return run(p, store, opener, options or Options())

    with ThreadPoolExecutor(len(openers)) as pool:
        return list(pool.map(one, openers))


def rendered(openers: Sequence[Opener]) -> list[str]:
    return [shot_id for opener in openers for shot_id in opener.rendered]


def test_videos_of_the_same_shots_are_rendered_once(store: Store, tmp_path: Path) -> None:
    p = plan(video(8), video(8, fps=12), video(8, fps=6), still(0))
    p = plan(*p, motion.make(motion.shots(video(8))[2], Motion(), Encoding(), "picture"))
    openers = [Opener(delay=0.02) for _ in range(3)]
    outcomes = together(p, store, openers)
    assert sum(o.done for o in outcomes) == 5
    assert not any(o.failed for o in outcomes)
    assert len(rendered(openers)) == len(set(rendered(openers))) == 9
    other = Store(tmp_path / "other")
    run(p, other, Opener())
    assert digests(store) == digests(other)


def test_pictures_that_others_made_while_the_model_was_loaded_are_shots_of_videos(store: Store) -> None:
    moving = video(4)
    picture = motion.make(motion.shots(moving)[1], Motion(), Encoding(), "picture")
    p, other = plan(moving, picture), Opener()

    class Late(Opener):
        def __call__(self) -> FakeRenderer:
            assert run(plan(picture), store, other).done == 1
            return super().__call__()

    late = Late()
    outcome = run(p, store, late)
    assert (outcome.done, outcome.skipped) == (1, 1)
    assert sorted(late.rendered) == sorted({s.id for s in motion.shots(moving)} - {picture.id})


def test_every_video_is_of_one_profile(store: Store, chain: str) -> None:
    p = plan(
        *(video(6, mode=chain, seed=100 * i) for i in range(4)), *(video(4, seed=9 + i) for i in range(2)), still(1)
    )
    openers = [Opener(rows=rows, delay=0.01) for rows in (4, 2, 4)]
    outcomes = together(p, store, openers, Options(mixed=True))
    assert sum(o.done for o in outcomes) == 7
    for job in (p[i] for i in range(6)):
        record = store.ledger().get(job.id)
        assert record is not None
        assert {s.id for s in motion.shots(job)} <= {f.stem for f in store.root.glob(f"shots/{record.profile}/*/*")}
    assert len(rendered(openers)) == len(set(rendered(openers)))


def test_videos_that_are_only_encoded_again_are_divided(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run(plan(*(video(4, seed=s) for s in range(6))), store, Opener())
    written: list[int] = []
    write = outputs.Outputs.write_video
    monkeypatch.setattr(outputs.Outputs, "write_video", lambda self, i: written.append(i) or write(self, i))
    openers = [Opener() for _ in range(3)]
    outcomes = together(plan(*(video(4, fps=12, seed=s) for s in range(6))), store, openers, Options(writers=1))
    assert sum(o.done for o in outcomes) == 6
    assert sorted(written) == list(range(6))
    assert not any(opener.opened for opener in openers)


def test_what_another_profile_did_is_rendered_again_once(store: Store) -> None:
    p = stills(12)
    run(p, store, Opener(rows=2))
    openers = [Opener(rows=4, delay=0.02) for _ in range(3)]
    outcomes = together(p, store, openers, Options(retry="profile"))
    assert sum(o.done for o in outcomes) == 12
    assert len(rendered(openers)) == 12
    assert len({r.profile for r in store.ledger().records()}) == 1


def test_a_failed_shot_fails_its_videos_everywhere(store: Store, chain: str) -> None:
    p = plan(video(5, mode=chain), video(5, mode=chain, seed=50), *stills(6))
    bad = motion.shots(p[0])[2].id
    openers = [Opener(Faults(fail=(bad,)), delay=0.01) for _ in range(3)]
    outcomes = together(p, store, openers)
    assert [o.failed for o in outcomes] == [1, 1, 1]
    assert all(o.errors == ((p.ids[0], f"shot {bad}: simulated failure"),) for o in outcomes)
    assert rendered(openers).count(bad) == 1
    assert run(p, store, Opener()).done == 1


class Alive:
    """Another process, with a profile of its own, that renders ``p`` as long as the block lasts."""

    def __init__(self, store: Store, p: Plan, rows: int, shard: str = "0-1") -> None:
        self.claims = Claims(store.root, f"{plan_digest(p.ids)}-{shard}", "other")
        self.profile = FakeRenderer(rows=rows).profile

    def __enter__(self) -> Run:
        return self.claims.join(Run(division.VERSION, self.profile))

    def __exit__(self, *_: object) -> None:
        self.claims.leave(ended=False)


@pytest.mark.parametrize("shard", ["0-1", "1-2"])
def test_a_process_with_another_profile_is_refused_and_leaves_nothing(store: Store, tmp_path: Path, shard: str) -> None:
    p, opener = stills(6), Opener(rows=2)
    with Alive(store, p, rows=4, shard=shard):
        with pytest.raises(ConfigError) as refused:
            run(p, store, opener)
        first, last = refused.value.problems
        assert (first.key, last.key) == ("runtime.rows", "shard.mixed")
        assert "rows is 2 here, and 4 in the run that is going on" in first.message
        digests = [FakeRenderer(rows=rows).profile.digest for rows in (2, 4)]
        assert all(digest in last.message for digest in digests)
        assert "set shard.mixed=true" in last.hint
        assert (opener.rendered, len(store.ledger())) == ([], 0)
        assert not list(store.root.glob("profiles/*"))
        assert run(p, store, Opener(rows=2), Options(mixed=True)).done == 6
    other = Store(tmp_path / "other", durable=False)
    run(p, other, Opener(rows=2))
    assert tree(store.root) == tree(other.root)


def test_a_process_with_the_same_profile_joins(store: Store) -> None:
    p = stills(6)
    with Alive(store, p, rows=2):
        assert run(p, store, Opener(rows=2)).done == 6
        (found,) = [w for w in store.workers() if w.token != "other"]
        assert found.report.profile == FakeRenderer(rows=2).profile.digest


def test_the_run_file_of_a_dead_run_refuses_nobody(store: Store, tmp_path: Path) -> None:
    p = stills(6)
    dead = Alive(store, p, rows=4)
    dead.__enter__()
    die(dead.claims)
    (file,) = store.root.glob(".run-*.json")
    assert json.loads(file.read_text())["profile"]["rows"] == 4
    assert run(p, store, Opener(rows=2)).done == 6
    assert not file.exists()
    file.write_text("not JSON")
    assert run(p, store, Opener()).skipped == 6
    assert not file.exists(), "what a run that died left is cleared up"


def test_processes_that_divide_by_other_rules_do_not_share_a_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Alive(store, stills(6), rows=2):
        monkeypatch.setattr(division, "VERSION", division.VERSION + 1)
        with pytest.raises(ConfigError, match="rules of another version"):
            run(stills(6), store, Opener(rows=2))


def test_a_run_file_without_content_is_not_believed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdbatch.store.run_file._WAIT", 0.1)
    store.root.mkdir(parents=True)
    (store.root / f".run-{plan_digest(stills(2).ids)}.json").touch()
    assert run(stills(2), store, Opener()).done == 2


def test_nothing_of_the_division_is_left(store: Store, tmp_path: Path) -> None:
    p = plan(*stills(9), video(4))
    together(p, store, [Opener(delay=0.01) for _ in range(3)])
    alone = Store(tmp_path / "alone", durable=False)
    run(p, alone, Opener())
    assert tree(store.root) == tree(alone.root)


def test_a_run_says_in_the_folder_what_it_did(store: Store) -> None:
    p = stills(5)
    other = Claims(store.root, f"{plan_digest(p.ids)}-0-1", "other")  # while it lives, the folder stays
    run(p, store, Opener(Faults(fail=(p.ids[3],))))
    state = next(s for s in store.workers() if s.token != "other")
    report = state.report
    assert (state.liveness, report.done, report.failed, report.draining) == (Liveness.ENDED, 4, 1, False)
    assert report.cost == pytest.approx(sum(cost(p[i].shot) for i in (0, 1, 2, 4)))
    assert report.chunk in {f"c{n}" for n in range(5)}
    other.leave(True)
    assert not store.workers()


def test_claims_of_ended_processes_are_removed_if_all_is_done(store: Store) -> None:
    p = stills(2)
    run(p, store, Opener())
    left = store.root / ".claims-dead" / "t.alive"
    left.parent.mkdir()
    left.write_text("another machine")
    os.utime(left, (1, 1))
    opener = Opener()
    assert run(p, store, opener).skipped == 2
    assert not opener.opened
    assert not left.parent.exists()


class Answers:
    """Claims with prepared answers."""

    def __init__(self, **answers: Claim) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.report = Report()
        self.first, self.token = True, "t"

    def take(self, chunk: str, whole: bool = True) -> Claim:
        self.asked.append(chunk)
        return self.answers.get(chunk.replace("-", "_"), Claim.OURS)


def shared(p: Plan, answers: Answers, *news: Record) -> share.Share:
    return share.Share(p, answers, lambda: iter(news), division.chunks(p))  # type: ignore[arg-type]


def test_jobs_are_claimed_in_the_chunks_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "GUIDE", 2)
    p, answers = stills(6), Answers()
    assert all(shared(p, answers).claim(i) for i in range(6))
    assert answers.asked == ["c0", "c0", "c0", "c1", "c2", "c3"]


def test_what_a_former_owner_did_is_known_with_the_claim() -> None:
    p = stills(4)
    answers = Answers(c0=Claim.INHERITED, c1=Claim.INHERITED, c2=Claim.ENDED)
    ours = shared(p, answers, Record(p.ids[0], "done", "images/a.png", size=1))
    assert [ours.claim(i) for i in range(4)] == [None, True, None, True]
    assert ours.failed == {p.ids[2]: share.LOST}


def test_a_chunk_of_a_dead_process_is_taken_over_job_by_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "GUIDE", 2)
    p = stills(6)
    answers = Answers(c0=Claim.ORPHANED, c0_1=Claim.THEIRS)
    ours = shared(p, answers, Record(p.ids[0], "done", "images/a.png", size=1))
    assert [ours.claim(i) for i in range(3)] == [None, False, True]
    assert answers.asked == ["c0", "c0", "c0-1", "c0", "c0-2"]


def test_every_process_has_an_order_of_its_own_and_takes_large_chunks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "GUIDE", 4)
    p, answers = stills(64), Answers()
    chunks = division.chunks(p)
    orders = []
    for first, token in ((True, "a"), (False, "a"), (False, "b")):
        answers.first, answers.token = first, token
        ours = shared(p, answers)
        order = sorted(range(64), key=ours.rank)
        assert sorted(order) == list(range(64))
        levels = [int(chunks.sizes[chunks.of[i]]).bit_length() for i in order]
        assert levels == sorted(levels, reverse=True)
        numbers = [int(chunks.of[i]) for i in order]
        assert len([1 for a, b in pairwise(numbers) if a != b]) == len(chunks) - 1, "chunks are not mixed"
        orders.append(order)
    assert orders[0] == list(range(64))
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_a_later_process_writes_a_status_of_its_own(tmp_path: Path) -> None:
    first, later = Progress(tmp_path / "progress.json"), Progress(tmp_path / "progress.json")
    later.use_own_status("t")
    for p in (first, later):
        p.start(2, 2, 2.0)
        p._write("rendering")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["progress-t.json", "progress.json"]
    later.close()
    assert [f.name for f in tmp_path.iterdir()] == ["progress.json"]
    first.close()
    assert [f.name for f in tmp_path.iterdir()] == ["progress.json"]


def test_timings_of_several_processes_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "timings.json"
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda n: timings.add(path, Profile("fake", rows=n), "model", timings.Measured(1, 1)), range(1, 25)
            )
        )
    assert len(timings.read(path)) == 24
    assert [f.name for f in path.parent.iterdir()] == ["timings.json"]


def test_what_others_make_is_not_counted_as_left() -> None:
    p = Progress()
    p.start(4, 4, 8.0)
    p.shot(2.0)
    p.not_needed(2, 4.0)
    assert p.line().startswith("1/2 pictures")
    assert p._cost == 4.0
