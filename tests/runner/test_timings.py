"""Estimates from earlier timings, with figures that can be checked in the head."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdbatch.runner import timings
from sdbatch.runner.timings import Measured
from sdbatch.spec.renderer import Profile

PROFILE = Profile("fake")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "x" / "timings.json"


def test_four_times_the_work_takes_four_times_as_long(path: Path) -> None:
    timings.add(path, PROFILE, "weights", Measured(5, 10))
    assert timings.estimate(path, 40, "weights") == 20
    assert timings.estimate(path, 1, "weights") == 0.5


def test_the_latest_run_of_a_model_counts(path: Path) -> None:
    timings.add(path, PROFILE, "weights", Measured(5, 10))
    timings.add(path, Profile("fake", rows=1), "weights", Measured(30, 10))
    timings.add(path, PROFILE, "others", Measured(1, 10))
    assert timings.estimate(path, 10, "weights") == 30
    timings.add(path, PROFILE, "weights", Measured(6, 10))
    assert timings.estimate(path, 10, "weights") == 6
    assert timings.estimate(path, 10, "unknown") is None
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_processes_that_shared_a_device_did_their_work_together(path: Path) -> None:
    """Each measured only its own part."""
    timings.add(path, PROFILE, "weights", Measured(30, 10, sharing=3))
    assert timings.estimate(path, 10, "weights") == 10
    path.write_text(path.read_text().replace(',\n    "sharing": 3', ""))
    assert timings.estimate(path, 10, "weights") == 30  # a file of an earlier version
