"""Claims: one owner for each chunk, whoever dies when."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sdbatch.errors import StoreError
from sdbatch.store import Claim, Claims, heartbeat, worker_state
from sdbatch.store import claims as claims_module
from sdbatch.store.claim_folders import clear, clear_if_unused, folders, leftovers
from sdbatch.store.claims import IMPATIENT
from sdbatch.store.heartbeat import Heartbeat, Liveness, liveness


@pytest.fixture(autouse=True)
def asked_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdbatch.store.claims.TRUST", 0.0)
    monkeypatch.setattr("sdbatch.store.claims.TRUST_PER_OWNER", 0.0)


def die(claims: Claims) -> None:
    """As by SIGKILL: no heartbeat any more, and the system gives the lock back."""
    heart = claims._heartbeat
    heart._stop.set()
    heart._thread.join()
    os.close(heart._fd)


def names(root: Path) -> list[str]:
    return sorted(path.name for folder in folders(root) for path in folder.iterdir())


def test_every_chunk_has_one_owner(tmp_path: Path) -> None:
    several = [Claims(tmp_path, "s", f"t{n}") for n in range(4)]
    assert [claims.first for claims in several] == [True, False, False, False]
    ready, taken = threading.Barrier(4), [list[int]() for _ in several]

    def work(n: int) -> None:
        ready.wait()
        for k in range(60):
            if several[n].take(f"c{k}") is Claim.OURS:
                taken[n].append(k)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(k for chunks in taken for k in chunks) == list(range(60))
    owner = next(n for n in range(4) if 0 in taken[n])
    assert several[owner].take("c0") is Claim.OURS
    assert several[owner - 1].take("c0") is Claim.THEIRS
    for claims in several:
        claims.leave(True)


def test_the_work_of_an_ended_process_goes_to_one_other(tmp_path: Path) -> None:
    dead, a, b = (Claims(tmp_path, "s", token) for token in ("dead", "a", "b"))
    assert dead.take("c") is Claim.OURS
    assert a.take("c") is Claim.THEIRS
    die(dead)
    assert (a.take("c"), b.take("c")) == (Claim.INHERITED, Claim.THEIRS)
    die(a)
    assert b.take("c") is Claim.INHERITED
    b.leave(True)
    assert not folders(tmp_path)


def test_work_of_a_process_that_stops_early_goes_to_others(tmp_path: Path) -> None:
    a, b = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "b")
    a.take("c")
    a.leave(ended=False)
    assert b.take("c") is Claim.INHERITED
    b.leave(True)


def test_finished_work_is_not_tried_again(tmp_path: Path) -> None:
    a, b = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "b")
    a.take("c")
    a.leave(ended=True)
    assert b.take("c") is Claim.ENDED
    b.leave(True)
    later = Claims(tmp_path, "s", "later")
    assert later.take("c") is Claim.OURS
    later.leave(True)


def test_claims_of_ended_processes_are_removed(tmp_path: Path) -> None:
    for token in ("a", "b"):
        claims = Claims(tmp_path, "s", token)
        claims.take("c")
        die(claims)
    other = Claims(tmp_path, "other", "o")
    die(other)
    now = Claims(tmp_path, "s", "now")
    assert now.first
    assert names(tmp_path) == ["now.alive", "now.owner", "o.alive", "o.owner"]
    assert now.take("c") is Claim.OURS
    now.leave(True)
    assert not folders(tmp_path)


def test_other_work_is_left_alone(tmp_path: Path) -> None:
    a, b = Claims(tmp_path, "s", "a"), Claims(tmp_path, "other", "b")
    assert (a.take("c"), b.take("c")) == (Claim.OURS, Claim.OURS)
    a.leave(True)
    assert len(folders(tmp_path)) == 1
    clear(tmp_path)
    assert names(tmp_path) == ["b.alive", "b.owner", "c.0"]
    b.leave(True)
    assert not folders(tmp_path)


def test_a_process_that_dies_at_any_moment_delays_nobody(tmp_path: Path) -> None:
    """Not at the line after a file is created either: nobody finds a claim or a heartbeat that is empty."""
    command = [sys.executable, "-m", "tests.store.killed_claims", str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    ends = [json.loads(line) for line in said.splitlines()]
    assert len(ends) > 50, "it dies at every line"
    late = [end for end in ends if end["claim"] not in ("ours", "inherited") or end["left"]]
    assert not late
    assert {end["claim"] for end in ends} == {"ours", "inherited"}


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(source: Path, path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    a, b = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "b")
    assert (a.take("c"), b.take("c"), b.take("d")) == (Claim.OURS, Claim.THEIRS, Claim.OURS)
    assert (a.turn("page").take(), b.turn("page").take()) == (True, False)
    a.leave(ended=False)
    assert b.take("c") is Claim.INHERITED
    b.leave(True)
    assert not list(tmp_path.iterdir())


def test_a_claim_whose_confirmation_was_lost_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system sends a request again whose answer it does not get: the link exists already."""
    link = os.link

    def twice(source: Path, path: Path) -> None:
        link(source, path)
        link(source, path)

    a, b = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "b")
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", twice)
        assert a.take("c") is Claim.OURS
    assert (a.take("c"), b.take("c")) == (Claim.OURS, Claim.THEIRS)
    a.leave(True)
    b.leave(True)


def test_an_unsigned_claim_is_waited_for_and_then_taken(tmp_path: Path) -> None:
    """Without hard links a process can die between the creation of a claim and its first byte."""
    a = Claims(tmp_path, "s", "a")
    unsigned = folders(tmp_path)[0] / "c.0"
    unsigned.touch()
    assert a.take("c") is Claim.THEIRS
    old = unsigned.stat().st_mtime - heartbeat.STALE - 1
    os.utime(unsigned, (old, old))
    assert a.take("c") is Claim.INHERITED
    a.leave(True)


def test_a_process_that_seemed_dead_continues(tmp_path: Path) -> None:
    """A machine that slept: others have cleared up meanwhile."""
    a = Claims(tmp_path, "s", "a")
    a.take("c")
    for path in folders(tmp_path)[0].iterdir():
        path.unlink()
    folders(tmp_path)[0].rmdir()
    assert a.take("d") is Claim.OURS
    assert names(tmp_path) == ["a.alive", "a.owner", "d.0"]
    a.leave(True)


def test_a_process_that_seemed_dead_asks_about_the_claims_of_others(tmp_path: Path) -> None:
    a, b = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "b")
    b.take("c")
    assert a.take("c") is Claim.THEIRS
    for path in folders(tmp_path)[0].iterdir():
        path.unlink()
    assert a.is_open("c")
    assert a.take("c") is not Claim.THEIRS
    a.leave(True)
    b.leave(True)


def test_a_heartbeat_that_stopped_is_old_by_the_clock_of_the_file_system(tmp_path: Path) -> None:
    """Of another machine its lock says nothing, and its clock neither."""
    heart = Heartbeat(tmp_path / "a")
    path = tmp_path / "a.alive"
    path.write_text("another machine")
    os.utime(path, (1000, 1000))
    assert liveness(tmp_path / "a", 1000 + heartbeat.STALE) is Liveness.ALIVE
    assert liveness(tmp_path / "a", 1001 + heartbeat.STALE) is Liveness.GONE
    assert heart.now() > 1001 + heartbeat.STALE
    assert liveness(tmp_path / "a", heart.now()) is Liveness.ALIVE
    os.close(heart._fd)  # its lock is free: on this machine that would mean that it is dead
    assert liveness(tmp_path / "a", heart.now()) is Liveness.ALIVE
    heart._fd = -1
    heart.register()
    path.write_text(worker_state.machine())
    assert liveness(tmp_path / "a", heart.now()) is Liveness.ALIVE
    heart.close(ended=True)
    assert (liveness(tmp_path / "a", 0), liveness(tmp_path / "b", 0)) == (Liveness.ENDED, Liveness.GONE)


def test_a_heartbeat_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.01)
    beaten = threading.Event()
    touch = heartbeat.touch

    def count(path: Path) -> float:
        beaten.set()
        return touch(path)

    monkeypatch.setattr(heartbeat, "touch", count)
    heart = Heartbeat(tmp_path / "a")
    (tmp_path / "a.alive").unlink()
    assert beaten.wait(10)
    while not (tmp_path / "a.alive").exists():
        assert beaten.wait(10)
    heart.close(ended=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.left"]


def test_a_heartbeat_whose_folder_is_removed_meanwhile_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without file locks others may think that nobody is there before the new file has its name."""
    touch, removed = heartbeat.touch, list[Path]()

    def remove_first(path: Path) -> float:
        if not removed:
            removed.append(path)
            path.unlink()
            path.parent.rmdir()
        return touch(path)

    monkeypatch.setattr(heartbeat, "touch", remove_first)
    heart = Heartbeat(tmp_path / "s" / "a")
    assert removed
    assert liveness(tmp_path / "s" / "a", heart.now()) is Liveness.ALIVE
    heart.close(ended=True)
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["a.ended"]


def test_a_full_disk_while_a_heartbeat_is_created_again_does_not_block_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = Heartbeat(tmp_path / "a")
    (tmp_path / "a.alive").unlink()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StoreError, match="no space left"):
            heart.register()
    again = threading.Thread(target=heart.register, daemon=True)
    again.start()
    again.join(10)
    assert not again.is_alive(), "it waits for its own lock"
    heart.close(ended=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ended"]


def test_a_start_on_a_full_disk_leaves_no_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(StoreError, match="no space left"):
            Claims(tmp_path, "s", "a")
    assert "a.alive" not in names(tmp_path)
    b = Claims(tmp_path, "s", "b")
    assert b.first
    b.leave(True)
    assert not folders(tmp_path)


def test_who_leaves_does_not_remove_the_lock_that_others_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed and created again by one of them, it would be removed by this process at its end."""
    seen = list[bool]()

    def look(folder: Path) -> None:
        clear_if_unused(folder)
        seen.append((folder / "lock").exists())

    monkeypatch.setattr(claims_module, "clear_if_unused", look)
    Claims(tmp_path, "s", "a").leave(True)
    assert seen
    assert all(seen)
    assert not folders(tmp_path)


def test_a_heartbeat_is_closed_once(tmp_path: Path) -> None:
    """The number of its closed file may be that of another file."""
    heart = Heartbeat(tmp_path / "a")
    heart.close(ended=True)
    several = [os.open(tmp_path / f"file{n}", os.O_RDWR | os.O_CREAT) for n in range(4)]
    heart.close(ended=True)
    for fd in several:
        assert os.fstat(fd).st_size == 0
        os.close(fd)


def test_two_threads_that_miss_the_heartbeat_file_create_one(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "a")
    (tmp_path / "a.alive").unlink()
    threads = [threading.Thread(target=heart.register, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    heart.close(ended=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ended"]


def test_a_file_named_like_a_folder_of_claims_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".claims-dead").touch()
    claims = Claims(tmp_path, "s", "a")
    assert claims.take("c") is Claim.OURS
    claims.leave(ended=True)
    assert [path.name for path in tmp_path.iterdir()] == [".claims-dead"]
    assert not leftovers(tmp_path)


def test_a_process_leaves_although_others_cannot_be_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(root: Path) -> None:
        raise StoreError(f"{root}: cannot be written")

    claims = Claims(tmp_path, "s", "a")
    monkeypatch.setattr("sdbatch.store.claims.clear", refuse)
    claims.leave(ended=True)
    assert not folders(tmp_path)


def test_a_process_that_is_late_asks_for_few_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lists the folder when it starts, and again after a few failures, instead of asking for each claim."""
    first = Claims(tmp_path, "s", "first")
    for k in range(50):
        first.take(f"c{k}")
    late = Claims(tmp_path, "s", "late")
    assert all(late.is_taken(f"c{k}") for k in range(50))
    assert not first.is_taken("c1")
    for k in range(50, 200):
        first.take(f"c{k}")
    asked = [k for k in range(50, 201) if not late.is_taken(f"c{k}") and late.take(f"c{k}")]
    assert asked == [*range(50, 58), 200]
    for claims in (first, late):
        claims.leave(True)


def test_a_chunk_that_is_not_wanted_as_a_whole_is_shared_by_all_that_are_idle(tmp_path: Path) -> None:
    dead, a, b = (Claims(tmp_path, "s", token) for token in ("dead", "a", "b"))
    dead.take("c")
    assert a.is_open("d")
    assert a.take("c", whole=False) is Claim.THEIRS
    assert not a.is_open("c")
    die(dead)
    assert a.is_open("c")
    assert [claims.take("c", whole=False) for claims in (a, b)] == [Claim.ORPHANED] * 2
    assert (a.take("c-1"), b.take("c-1"), b.take("c-2")) == (Claim.OURS, Claim.THEIRS, Claim.OURS)
    assert a.is_open("c")
    assert not b.is_open("c-1")
    for claims in (a, b):
        claims.leave(True)


def test_who_is_idle_waits_less_long_for_a_heartbeat(tmp_path: Path) -> None:
    busy, far = Claims(tmp_path, "s", "busy"), Claims(tmp_path, "s", "far")
    far.take("c")
    die(far)
    path = folders(tmp_path)[0] / "far.alive"
    path.write_text("another machine")
    old = path.stat().st_mtime - IMPATIENT - 5
    os.utime(path, (old, old))
    assert busy.take("c") is Claim.THEIRS
    assert busy.is_open("c")
    assert busy.take("c") is Claim.INHERITED
    busy.leave(True)


def test_a_turn_is_that_of_one_living_process(tmp_path: Path) -> None:
    first, second, other = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "b"), Claims(tmp_path, "t", "c")
    turns = [claims.turn("page") for claims in (first, second, other)]
    assert [turn.take() for turn in turns] == [True, False, False]
    assert [turn.held() for turn in turns] == [True, False, False]
    assert turns[0].take()
    first.leave(ended=True)
    assert not turns[0].take(), "it has left"
    assert [turn.take() for turn in turns[1:]] == [True, False]
    die(second)
    assert turns[2].take()
    assert not turns[1].held()
    other.leave(ended=False)
    assert not list(tmp_path.iterdir()), "the last one removes everything"


def test_a_turn_goes_on_when_its_process_was_silent_or_gave_it_up(tmp_path: Path) -> None:
    first, second = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "b")
    one, two = first.turn("page"), second.turn("page")
    assert one.take()
    os.utime(tmp_path / ".claims-s" / "a.alive", (0, 0))  # it was suspended
    assert two.take()
    assert not one.held()
    two.release()
    assert one.take()
    (tmp_path / ".turn-page.9").write_text("../../etc/passwd")
    assert two.take(), "what no process can have written does not count"
    (tmp_path / ".turn-page.11").touch()
    assert not one.take(), "it has just been created, and will be written"
    os.utime(tmp_path / ".turn-page.11", (0, 0))
    assert one.take()
    for claims in (first, second):
        claims.leave(ended=True)
    assert not list(tmp_path.iterdir())
