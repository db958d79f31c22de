"""The folder of an experiment: workers, compaction, states, profiles, plans."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sdbatch import files
from sdbatch.errors import StoreError
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Profile
from sdbatch.store import Record, State, Store, Worker, compact
from sdbatch.store.plan_file import is_kept
from tests.runner.little import LittlePlan, still, stills


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "x", durable=False)


def put(store: Store, worker, job, content: bytes = b"picture", profile: str = "p1") -> Record:
    worker.save(store.root / job.path, [content])
    record = Record(job.id, "done", job.path, "b2:p", files.digest(content), len(content), profile)
    worker.record(record)
    return record


def ids(path: Path) -> Sequence[str]:
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()]


def no_locks(fd: int, how: int) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_compaction_is_in_plan_order_and_keeps_the_others_sorted(store: Store) -> None:
    p = stills(5)
    with store.worker() as a:
        for i in (4, 1, 3):
            put(store, a, p[i])
        for name in ("jz", "ja"):
            a.record(Record(name, "failed", error="x"))
        store.compact(a, p)
    assert ids(store.manifest) == [p.ids[1], p.ids[3], p.ids[4], "ja", "jz"]
    assert not store.worker_folder.exists()
    assert json.loads(store.summary.read_text())["done"] == 3


def test_workers_of_other_hosts_keep_their_files_although_their_locks_look_free(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many network file systems keep locks on each host; the heartbeat says who lives."""
    p = stills(4)
    far, near = store.worker(), store.worker()
    monkeypatch.setattr("sdbatch.store.worker_state.machine", lambda: "another")
    claims = store.claims(far, "s")
    monkeypatch.undo()
    put(store, far, p[0])
    put(store, near, p[1])
    monkeypatch.setattr(files, "try_lock", lambda *_, **__: True)
    assert store.living() == 1
    store.compact(near, p)
    assert store.worker_files() == [far.path]
    put(store, far, p[2])
    claims.leave(True)
    store.compact(far, p)
    assert ids(store.manifest) == [p.ids[0], p.ids[1], p.ids[2]]


def test_living_workers_keep_their_files(store: Store) -> None:
    p = stills(4)
    a, b = store.worker(0), store.worker(1)
    put(store, a, p[0])
    put(store, b, p[1])
    store.compact(a, p)
    assert store.worker_files() == [b.path]
    assert ids(store.manifest) == [p.ids[0], p.ids[1]]
    put(store, b, p[2])
    assert set(store.ledger()) == set(p.ids[:3])
    store.compact(b, p)
    assert ids(store.manifest) == list(p.ids[:3])


def test_living_workers_are_counted(store: Store) -> None:
    with store.worker() as a, store.worker(), store.worker():
        assert store.living() == 3
        a.close()
        assert store.living() == 2


def test_dead_workers_are_cleared_up(store: Store) -> None:
    p = stills(3)
    dead = store.worker()
    put(store, dead, p[2])
    half = dead.temporary(store.root / p[0].path)
    half.write_bytes(b"hal")
    (half.parent / f".{half.name}.77.part").write_bytes(b"film")
    dead.close()  # what the kernel does when a process is killed
    living = store.worker()
    other = living.temporary(store.root / p[1].path)
    other.write_bytes(b"in the making")
    last = store.worker()
    store.compact(last, p)
    assert ids(store.manifest) == [p.ids[2]]
    assert [f for f in half.parent.iterdir() if f.name.startswith(".")] == [other]
    living.close()


def test_files_of_a_process_that_starts_during_compaction_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = compact.replace
    started: list[tuple[Worker, Path]] = []

    def start(*args: Any) -> None:
        if not started:
            other = store.worker()
            started.append((other, other.temporary(store.plan)))
            started[0][1].write_bytes(b"half of a plan")
        replace(*args)

    monkeypatch.setattr(compact, "replace", start)
    store.compact(store.worker(), stills(1))
    ((other, half),) = started
    other.publish(half, store.plan)
    other.close()


def test_later_workers_win_without_a_clock(store: Store) -> None:
    p = stills(1)
    first = store.worker()
    put(store, first, p[0], b"one", "p1")
    first.close()
    os.utime(first.path, (2e9, 2e9))  # a clock that went backwards since
    second = store.worker()
    record = put(store, second, p[0], b"two!", "p2")
    second.close()
    assert store.ledger().get(p.ids[0]) == record
    third = store.worker()
    assert store.compact(third, p).get(p.ids[0]) == record


def test_compacting_again_touches_nothing(store: Store) -> None:
    p = stills(2)
    a = store.worker()
    put(store, a, p[0])
    store.compact(a, p)
    before = store.manifest.stat().st_mtime_ns, store.manifest.stat().st_ino
    store.compact(store.worker(), p)
    assert (store.manifest.stat().st_mtime_ns, store.manifest.stat().st_ino) == before


def test_states(store: Store) -> None:
    p = stills(6)
    with store.worker() as w:
        for i in range(4):
            put(store, w, p[i], profile="p1" if i else "p0")
        w.record(Record(p.ids[4], "failed", error="x"))
        w.record(Record("jorphan", "failed", error="x"))
    (store.root / p[2].path).write_bytes(b"longer than before")
    (store.root / p[3].path).write_bytes(b"PICTURE")
    states = store.states(p, store.ledger(), "p1", files.file_digest)
    assert [states[i] for i in range(6)] == [State.OTHER, State.DONE, State.STALE, State.STALE, State.FAILED, State.NEW]
    assert states.counts == {State.NEW: 1, State.DONE: 1, State.OTHER: 1, State.FAILED: 1, State.STALE: 2}
    assert states.orphans == ("jorphan",)
    assert store.states(p, store.ledger())[3] is State.DONE
    assert list(states.where(State.NEW, State.STALE, part=range(1, 6, 2))) == [3, 5]


def test_a_folder_in_place_of_a_picture_is_stale(store: Store) -> None:
    p = stills(1)
    with store.worker() as w:
        put(store, w, p[0])
    (store.root / p[0].path).unlink()
    (store.root / p[0].path).mkdir()
    assert store.states(p, store.ledger())[0] is State.STALE


def test_an_empty_folder_says_nothing(store: Store) -> None:
    p = stills(2)
    assert store.states(p, store.ledger()).counts[State.NEW] == 2
    assert not store.root.exists()


def test_profiles_are_read_back_unless_they_were_changed(store: Store) -> None:
    profile = Profile("fake", rows=3, versions=(("z", "1"), ("a", "2")))
    with store.worker() as w:
        store.keep_profile(w, profile)
        store.keep_profile(w, profile)
    assert store.profile(profile.digest) == profile
    path = store.profile_path(profile.digest)
    for lie in (b"{", b"[]", b"null", b'{"versions": 1}', path.read_bytes().replace(b"3", b"4")):
        path.write_bytes(lie)
        assert store.profile(profile.digest) is None


def test_strays_are_files_without_a_record(store: Store) -> None:
    p = stills(1)
    with store.worker() as w:
        put(store, w, p[0])
        w.save(store.root / "images/stray.png", [b"x"])
        w.save(store.root / "videos/video.mp4", [b"x"])
        w.save(store.root / "videos/video.json", [b"x"])
        w.record(Record("jfilm", "done", "videos/video.mp4", size=1))
    assert list(store.strays(store.ledger())) == [store.root / "images/stray.png"]


def test_results_of_other_workers_are_reported_once(store: Store) -> None:
    p = stills(4)
    own, other = store.worker(), store.worker()
    put(store, own, p[3])
    others = store.other_workers(own)
    assert list(others.poll()) == []
    put(store, other, p[0])
    assert [r.id for r in others.poll()] == [p.ids[0]]
    other.record(Record(p.ids[1], "failed", error="x"))
    put(store, other, p[2])
    with other.path.open("ab") as f:
        f.write(b'{"torn')
    assert [r.id for r in others.poll()] == [p.ids[1], p.ids[2]]
    store.compact(other, p)
    assert {r.id for r in others.poll()} >= {p.ids[0], p.ids[2]}
    assert list(others.poll()) == []


def test_a_new_manifest_with_the_old_inode_number_is_read(store: Store) -> None:
    """Some file systems give a new file the number of one that was removed."""
    p = stills(4)
    with store.worker() as w:
        put(store, w, p[2])
        store.compact(w, p)
    old = store.root / "old"
    os.link(store.manifest, old)
    others = store.other_workers()
    with store.worker() as w:
        put(store, w, p[0])
        put(store, w, p[1])
        store.compact(w, p)
    old.write_bytes(store.manifest.read_bytes())
    old.replace(store.manifest)
    assert {r.id for r in others.poll()} >= set(p.ids[:2])
    assert list(others.poll()) == []


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(store: Store) -> None:
    p = stills(2)
    own, other = store.worker(), store.worker()
    others = store.other_workers(own)
    put(store, other, p[0])
    line = other.path.read_bytes()
    for cut in (1, len(line) // 2, len(line) - 1):
        other.path.write_bytes(line[:cut])
        assert list(others.poll()) == []
    other.path.write_bytes(line)
    assert [r.id for r in others.poll()] == [p.ids[0]]
    assert list(others.poll()) == []


def test_old_failures_are_not_reported(store: Store) -> None:
    """One that compacts writes every line anew, also of failures that are being tried again."""
    p = stills(2)
    own, other = store.worker(), store.worker()
    others = store.other_workers(own)
    other.record(Record(p.ids[0], "failed", error="x"))
    put(store, other, p[1])
    store.compact(other, p)
    assert [r.id for r in others.poll()] == [p.ids[1]]


@pytest.mark.parametrize("locks", [True, False])
def test_a_kept_plan_moves_aside(store: Store, monkeypatch: pytest.MonkeyPatch, locks: bool) -> None:
    if not locks:
        monkeypatch.setattr(fcntl, "flock", no_locks)
    with store.worker() as w:
        store.keep_plan(w, stills(2))
        first = store.plan.read_bytes()
        os.utime(store.plan, (1000, 1000))
        store.keep_plan(w, stills(3))
    assert ids(store.plan) == stills(3).ids
    (kept,) = store.root.glob("plans/*.jsonl")
    assert (kept.read_bytes(), kept.stat().st_mtime) == (first, 1000)
    assert not list(store.root.rglob(".tmp-*"))
    line = json.loads(store.plan.read_bytes().splitlines()[0])
    assert line["labels"] == {"seeds": "0"}
    assert line["shot"]["prompt"] == "a sea"


def test_plans_of_two_processes_are_both_kept(store: Store) -> None:
    """The second process comes while the first one writes its plan; plan.jsonl is there all the time."""
    a, b = store.worker(), store.worker()
    store.keep_plan(a, stills(1))
    before: list[bytes] = []

    def make(i: int) -> Job:
        if made and i == 2 and not before:
            before.append(store.plan.read_bytes())
            store.keep_plan(b, stills(2))
        return still(i)

    made: list[LittlePlan] = []
    plan = LittlePlan(make, 3)
    made.append(plan)
    store.keep_plan(a, plan)
    assert before[0].count(b"\n") == 1
    kept = [ids(path) for path in (store.plan, *store.root.glob("plans/*.jsonl"))]
    assert sorted(kept, key=len) == [stills(n).ids for n in (1, 2, 3)]
    assert ids(store.plan) == plan.ids
    for worker in (a, b):
        worker.close()


def test_a_plan_is_replaced_by_one_process_at_a_time(store: Store) -> None:
    worker = store.worker()
    store.keep_plan(worker, stills(1))
    with files.locked(store.lock):
        thread = threading.Thread(target=store.keep_plan, args=(worker, stills(2)))
        thread.start()
        thread.join(0.2)
        assert ids(store.plan) == stills(1).ids
    thread.join()
    assert ids(store.plan) == stills(2).ids
    worker.close()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on the disk; free some space, then run the same command again"),
        (errno.EDQUOT, "no space left"),
        (errno.EROFS, "cannot be written"),
        (errno.EACCES, "cannot be written"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_io_errors_say_what_to_do(store: Store, monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    worker = store.worker()
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
    with pytest.raises(StoreError, match=message):
        files.write(store.root / "a.png", [b"x"], store.root / ".tmp-x", durable=True)
    assert sorted(f.name for f in store.root.iterdir()) == ["manifest"]
    worker.close()


def test_a_worker_that_others_look_at_waits_for_its_lock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    try_lock, order = files.try_lock, []

    def after_others(fd: int, wait: bool = False, shared: bool = False) -> bool:
        monkeypatch.undo()
        other = os.open(store.worker_files()[0], os.O_RDWR)
        assert try_lock(other)

        def let_go() -> None:
            order.append("let go")
            os.close(other)

        threading.Timer(0.1, let_go).start()
        return try_lock(fd, wait)

    monkeypatch.setattr(files, "try_lock", after_others)
    worker = store.worker()
    order.append("begun")
    assert order == ["let go", "begun"]
    assert store.living() == 1
    worker.close()
    assert store.living() == 0


def test_a_worker_cleared_up_before_its_lock_starts_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    try_lock = files.try_lock

    def too_late(fd: int, wait: bool = False) -> bool:
        monkeypatch.undo()
        store.worker_files()[0].unlink()
        store.worker_folder.rmdir()
        return try_lock(fd, wait)

    monkeypatch.setattr(files, "try_lock", too_late)
    with store.worker() as worker:
        assert worker.path.exists()


def test_a_torn_append_spoils_one_line_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    p = stills(3)
    worker = store.worker()
    put(store, worker, p[0])
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if data.startswith(b"{"):
            return write(fd, data[:10])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="no space left"):
        worker.record(Record(p.ids[1], "failed", error="x"))
    monkeypatch.undo()
    put(store, worker, p[2])
    worker.close()
    found = store.ledger()
    assert (set(found), found.damaged_lines) == ({p.ids[0], p.ids[2]}, 1)


def test_without_locks_nothing_is_removed_and_nothing_is_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    p = stills(2)
    a, b = store.worker(), store.worker()
    put(store, a, p[0])
    put(store, b, p[1])
    assert set(store.compact(a, p)) == set(p.ids)
    assert store.worker_files() == sorted([a.path, b.path])


def test_results_of_other_workers_need_their_file(store: Store) -> None:
    p = stills(1)
    own, other = store.worker(), store.worker()
    others = store.other_workers(own)
    put(store, other, p[0])
    (store.root / p[0].path).unlink()
    assert list(others.poll()) == []


def test_waiting_for_a_lock_gives_the_current_file(tmp_path: Path) -> None:
    path, seen = tmp_path / "manifest" / ".lock", []

    def wait() -> None:
        with files.locked(path) as held:
            seen.append((held, path.exists()))

    thread = threading.Thread(target=wait)
    with files.locked(path):
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()
    assert seen == [(True, True)]
    assert not path.exists()


def test_of_a_large_plan_not_every_label_is_compared(store: Store) -> None:
    """Nothing will be rendered then; all ids are compared, and some of the labels."""
    jobs = stills(8)
    with store.worker() as worker:
        store.keep_plan(worker, jobs)
    assert is_kept(store.plan, jobs, every=4)
    lines = store.plan.read_bytes().splitlines(keepends=True)
    for changed, kept in ((1, True), (4, False)):
        other = [line.replace(b"a-sea", b"another") if i == changed else line for i, line in enumerate(lines)]
        store.plan.write_bytes(b"".join(other))
        assert is_kept(store.plan, jobs, every=4) is kept
        assert not is_kept(store.plan, jobs)
    store.plan.write_bytes(b"".join(lines[:-1]))
    assert not is_kept(store.plan, jobs, every=4)
    store.plan.write_bytes(b"".join([*lines[:-1], lines[0]]))
    assert not is_kept(store.plan, jobs, every=4)
    store.plan.write_bytes(b"".join([*lines, lines[0]]))
    assert not is_kept(store.plan, jobs, every=4)
