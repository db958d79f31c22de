"""Progress on a terminal, in a log, for programs, and not at all."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from sdbatch.terminal import progress
from sdbatch.terminal.progress import Bar, Lines, Progress, open_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def tick(seconds: float) -> None:
        now[0] += seconds

    return tick


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def told(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def test_which_is_chosen() -> None:
    assert type(open_progress(console(True))) is Bar
    assert type(open_progress(console(False))) is Lines
    assert type(open_progress(console(True), quiet=True)) is Progress


def test_lines_come_every_few_seconds(clock) -> None:
    out = console(False)
    p = Lines(out)
    p.start(jobs=10, shots=20, cost=20.0)
    for _ in range(10):
        clock(1)
        p.shot(1.0)
        p.job(True, "j1")
    p.close()
    lines = told(out).splitlines()
    assert lines[0] == "rendering 20 pictures for 10 jobs, first passes included"
    assert lines[1] == "5/20 pictures, 1.00/s, 0:15 left"
    assert lines[-1] == "10/20 pictures, 1.00/s, 0:10 left"
    assert len(lines) == 4


@pytest.mark.parametrize(("shots", "videos", "more"), [(6, 0, ", first passes included"), (5, 0, ""), (6, 1, "")])
def test_pictures_that_are_no_jobs_are_explained(shots: int, videos: int, more: str) -> None:
    out = console(False)
    p = Lines(out)
    p.expect_videos(videos)
    p.start(jobs=5, shots=shots, cost=1.0)
    assert told(out).splitlines()[0] == f"rendering {shots} pictures for 5 jobs{more}"


def test_time_left_is_weighed_by_cost(clock) -> None:
    p = Progress()
    p.start(2, 2, 10.0)
    assert p.left is None
    clock(9)
    p.shot(9.0)
    assert p.left == pytest.approx(1.0)


def test_failures_are_named_and_cannot_style_the_terminal() -> None:
    out = console(False)
    p = Lines(out)
    p.start(30, 30, 30.0)
    for i in range(30):
        p.job(False, f"j{i}", "[bold]simulated failure[/bold]")
    p.close()
    assert "failed j0: [bold]simulated failure[/bold]" in told(out)
    assert told(out).count("simulated failure") == progress.MAX_FAILURES
    assert "30 failed" in told(out)


def test_a_bar_shows_pictures_rate_and_failures(clock) -> None:
    out = console(True)
    p = Bar(out)
    p.start(2, 2, 2.0)
    clock(2)
    p.shot(1.0)
    p.job(False, "j0", "[red]bad")
    p.shot(1.0)
    p.close()
    p.abort()
    assert "2/2 pictures, 1.00/s, 1 failed" in told(out)
    assert "failed j0: [red]bad" in told(out)


def test_the_status_file_is_json_and_may_fail(tmp_path: Path, clock) -> None:
    path = tmp_path / "runs" / "status.json"
    p = Progress(path)
    p.start(3, 4, 4.0)
    clock(2)
    p.shot(1.0)
    status = json.loads(path.read_text())
    assert status["state"] == "rendering"
    assert status["pictures"] == {"done": 1, "total": 4, "per_second": 0.5}
    assert status["seconds_left"] == 6
    p.close()
    assert json.loads(path.read_text())["state"] == "ended"
    assert [f.name for f in path.parent.iterdir()] == ["status.json"]
    (tmp_path / "file").write_text("")
    Progress(tmp_path / "file" / "status.json").close()


def test_a_quiet_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    p = Progress()
    p.start(1, 1, 1.0)
    p.shot(1.0)
    p.job(False, "j", "x")
    p.close()
    assert capsys.readouterr() == ("", "")


def test_no_time_is_estimated_from_the_first_pictures(clock) -> None:
    """They come late, because all rows of a call begin together."""
    p = Progress()
    p.start(100, 100, 100.0)
    clock(20)
    p.shot(1.0)
    assert p.left is None
    assert p.line() == "1/100 pictures, 0.05/s"
    for _ in range(9):
        clock(1)
        p.shot(1.0)
    assert p.left is not None
    assert p.line().endswith(" left")


def test_no_time_is_left_while_videos_are_written(clock) -> None:
    out = console(False)
    p = Lines(out)
    p.start(jobs=2, shots=2, cost=2.0)
    p.expect_videos(2)
    for _ in range(2):
        clock(6)
        p.shot(1.0)
    for _ in range(2):
        clock(6)
        p.video()
    lines = told(out).splitlines()
    assert lines[-2:] == ["2/2 pictures, 0.11/s, video 1/2", "2/2 pictures, 0.08/s, video 2/2"]
    assert "0:00 left" not in told(out)


@pytest.mark.parametrize("terminal", [True, False])
def test_videos_whose_pictures_are_all_there(clock, terminal) -> None:
    out = console(terminal)
    p = open_progress(out)
    p.expect_videos(4)
    for _ in range(2):
        clock(6)
        p.video()
    p.close()
    assert "video 2/4" in told(out)
    assert "0/0" not in told(out)


def test_videos_after_a_change_of_profile_are_counted_on(clock) -> None:
    p = Progress()
    p.expect_videos(4)
    p.video()
    p.expect_videos(3)
    assert p.line() == "video 1/4"
