"""The first line of a run: how much there is to do, how long it takes if that is known, and the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdbatch.config.model import ModelSettings
from sdbatch.config.validation import validate
from sdbatch.plan import division
from sdbatch.tasks.run_summary import begun
from sdbatch.tasks.workload import workload
from tests.tasks.conftest import DATA, Folder


def line(**more: object) -> str:
    work = workload(validate(DATA | more))
    return begun(work, work.todo)


def test_jobs_new_ones_and_the_model(folder: Folder) -> None:
    assert line() == "little: 4 jobs, 4 new; loading fake"
    assert folder.run() == 0
    assert line(seeds="0..4").startswith("little: 10 jobs, 6 new")


@pytest.mark.parametrize(("seconds", "said"), [(0.1, ""), (100.0, ", about 50 min 0 s")])
def test_an_estimate_only_if_it_is_worth_something(folder: Folder, seconds: float, said: str) -> None:
    assert folder.run() == 0
    path = Path("runs/little/timings.json")
    timings, work = json.loads(path.read_text()), workload_cost()
    for value in timings.values():
        value["seconds"] = seconds * 30 * value["work"] / work
    path.write_text(json.dumps(timings))
    assert line(seeds="10..19") == f"little: 20 jobs, 20 new{said}; loading fake"


def workload_cost() -> float:
    """The cost of the 20 jobs of the test above."""
    work = workload(validate(DATA | {"seeds": "10..19"}))
    return float(division.kinds(work.plan).costs().sum())


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({"kind": "tiny"}, "tiny"),
        ({"kind": "local", "path": "models/anything-v5.safetensors"}, "anything-v5"),
        ({"kind": "hub", "repo": "org/stable-diffusion", "revision": "a" * 40}, "stable-diffusion"),
    ],
)
def test_the_name_of_a_model(settings: dict[str, str], title: str) -> None:
    assert ModelSettings(**settings).title == title  # type: ignore[arg-type]
