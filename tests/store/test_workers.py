"""What processes say about themselves in the shared folder, and how it is read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdbatch.store import Claim, Claims, Liveness, Report, Store, heartbeat, worker_state
from sdbatch.store.claim_folders import folders
from tests.store.test_claims import die


@pytest.fixture(autouse=True)
def asked_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdbatch.store.claims.TRUST", 0.0)
    monkeypatch.setattr("sdbatch.store.claims.TRUST_PER_OWNER", 0.0)


def beat(claims: Claims) -> None:
    """Write the report now instead of at the next beat."""
    os.pwrite(claims._heartbeat._fd, claims.report.data(), 0)


def test_a_worker_tells_others_what_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert Store(tmp_path).workers() == []
    claims = Claims(tmp_path, "s", "a")
    claims.take("c7")
    claims.report.done, claims.report.failed, claims.report.cost, claims.report.draining = 5, 1, 2.5, True
    beat(claims)
    (state,) = Store(tmp_path).workers()
    assert (state.token, state.scope, state.liveness, state.stopped) == ("a", "s", Liveness.ALIVE, False)
    report = state.report
    assert (report.pid, report.label, report.chunk, report.draining) == (os.getpid(), "12_3", "c7", True)
    assert (report.done, report.failed, report.cost) == (5, 1, 2.5)
    assert report.host
    assert 0 <= state.age < heartbeat.STALE
    assert 0 <= state.seconds < heartbeat.STALE
    claims.leave(True)
    assert Store(tmp_path).workers() == []


def test_a_worker_without_slurm_has_no_label() -> None:
    assert worker_state.slurm_label({}) == ""
    assert worker_state.slurm_label({"SLURM_JOB_ID": "17"}) == "17"


def test_the_last_state_of_a_worker_stays_while_others_render(tmp_path: Path) -> None:
    first, ended, drained, dead = (Claims(tmp_path, "s", token) for token in ("first", "ended", "drained", "dead"))
    for claims in (ended, drained, dead):
        claims.take(f"of-{claims.token}")
        claims.report.done = 4
    beat(dead)
    ended.leave(ended=True)
    drained.leave(ended=False)
    die(dead)
    states = {state.token: state for state in Store(tmp_path).workers()}
    assert [states[t].liveness for t in ("first", "ended", "drained", "dead")] == ["alive", "ended", "gone", "gone"]
    assert [states[t].stopped for t in ("first", "ended", "drained", "dead")] == [False, False, True, False]
    assert [states[t].report.done for t in ("ended", "drained", "dead")] == [4, 4, 4]
    assert first.take("of-drained") is Claim.INHERITED
    first.leave(True)
    assert not folders(tmp_path)


def test_ages_are_those_of_the_file_systems_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this machine is an hour off, which nobody notices."""
    claims, far = Claims(tmp_path, "s", "a"), Claims(tmp_path, "s", "far")
    die(far)
    path = tmp_path / ".claims-s" / "far.alive"
    path.write_bytes(Report("another machine", started=path.stat().st_mtime).data())
    for hours in (-1, 1):
        monkeypatch.setattr("time.time", lambda hours=hours: 3600.0 * hours)
        assert [s.liveness for s in Store(tmp_path).workers()] == [Liveness.ALIVE] * 2
        assert all(s.age < heartbeat.STALE for s in Store(tmp_path).workers())
    old = path.stat().st_mtime - heartbeat.STALE - 1
    os.utime(path, (old, old))
    state = next(s for s in Store(tmp_path).workers() if s.token == "far")
    assert (state.liveness, state.age > heartbeat.STALE) == (Liveness.GONE, True)
    claims.leave(True)


def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = Claims(tmp_path, "s", "a")

    def refuse(path: Path) -> float:
        raise PermissionError

    monkeypatch.setattr(heartbeat, "clock", refuse)
    (state,) = Store(tmp_path).workers()
    assert (state.liveness, state.age) == (Liveness.ALIVE, 0.0)
    monkeypatch.undo()
    claims.leave(True)


def test_heartbeats_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / ".claims-s" / "old.alive"
    path.parent.mkdir()
    path.write_text("another machine")
    (state,) = Store(tmp_path).workers()
    assert (state.liveness, state.report.machine, state.seconds) == (Liveness.ALIVE, "another machine", 0.0)
    path.write_text(worker_state.machine())
    (state,) = Store(tmp_path).workers()
    assert state.liveness is Liveness.GONE  # its lock is free


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{" * 5000,
        b"[1]",
        b'{"done": -1, "host": 5, "cost": NaN, "draining": 1}',
        b"\xff\xfe\0",
        b'{"pid": 1e400}',
    ],
)
def test_what_is_not_valid_in_a_heartbeat_is_left_out(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / ".claims-s" / "t.alive"
    path.parent.mkdir()
    path.write_bytes(data)
    (state,) = Store(tmp_path).workers()
    report = state.report
    assert (report.done, report.pid, report.cost, report.host, report.draining) == (0, 0, 0.0, "", False)


def test_texts_of_a_heartbeat_are_harmless_and_short() -> None:
    report = worker_state.parse(json.dumps({"host": "a\x1b[31m\n" + "b" * 1000, "done": 3}).encode())
    assert report.host.startswith("a[31mbbb")
    assert len(report.host) <= 120
    assert report.done == 3
    assert len(Report("ü" * 1000, "ü" * 1000).data()) <= 2 * worker_state.SIZE
