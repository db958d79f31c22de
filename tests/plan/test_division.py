"""The division of plans by predicted cost, into chunks and shards."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.work import mixed
from sdbatch import motion
from sdbatch.config.validation import validate
from sdbatch.motion.settings import Motion
from sdbatch.plan import division
from sdbatch.plan.plan import Plan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.spec.control import Control
from sdbatch.spec.cost import cost
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.pictures import Area, Init, InputPicture, Mask
from sdbatch.tasks.rerender import JobList
from tests.runner.little import BASE, plan, stills, video


def swept(**more) -> Plan:
    """Pictures and videos of several sizes, samplers, steps and guidances."""
    keys = {
        "prompts": ["a sea", "a hill"],
        "model": {"kind": "fake"},
        "canvas": ["32x24", "64x64"],
        "sweep": [{"sampling.steps": [4, 9]}, {"sampling.guidance": [1, 6]}, {"motion.mode": ["still", "prompt"]}],
        "motion": {"frames": 3, "phrase": "frame {frame}"},
        "seeds": "0..3",
    }
    return make_plan(resolve(validate({**keys, **more})))


def costs(jobs) -> list[float]:
    return [sum(cost(shot) for shot in motion.shots(jobs[i])) for i in range(len(jobs))]


@pytest.mark.parametrize("guide", [1, 3, 20, 2048])
def test_chunks_part_the_plan_and_hold_jobs_that_render_alike(monkeypatch: pytest.MonkeyPatch, guide: int) -> None:
    monkeypatch.setattr(division, "GUIDE", guide)
    jobs = swept()
    found = division.chunks(jobs)
    assert sorted(set(found.of.tolist())) == list(range(len(found)))
    exact = costs(jobs)
    for n in range(len(found)):
        members = [i for i in range(len(jobs)) if found.of[i] == n]
        assert len(members) == found.sizes[n] <= division.MAX_CHUNK
        assert sum(exact[i] for i in members) == pytest.approx(found.costs[n])
        alike = {(j.shot.width, j.shot.steps, j.shot.guidance, j.video) for j in map(jobs.__getitem__, members)}
        assert len(alike) == 1
        assert len(members) == 1 or jobs[members[0]].video is None
    areas = [jobs[int(np.argmax(found.of == n))].shot.width for n in range(len(found))]
    assert areas == sorted(areas, reverse=True)
    assert guide < 2048 or set(found.sizes) == {1}


def test_chunks_become_smaller_towards_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "GUIDE", 8)
    monkeypatch.setattr(division, "MAX_CHUNK", 64)
    sizes = division.chunks(stills(1000)).sizes.tolist()
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1], sum(sizes)) == (division.MAX_CHUNK, 1, 1000)
    assert len(sizes) < 100


def test_the_same_jobs_are_divided_alike_whatever_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan is divided without making its jobs; a list of jobs looks at each."""
    monkeypatch.setattr(division, "GUIDE", 5)
    jobs = swept(skip=[{"sampling.steps": 4, "canvas": "32x24"}])
    listed = JobList(list(jobs))
    assert division.chunks(jobs).of.tolist() == division.chunks(listed).of.tolist()
    assert division.shard(jobs, 1, 3) == division.shard(listed, 1, 3)
    assert division.kinds(jobs).costs().tolist() == pytest.approx(costs(jobs))


def test_listed_jobs_differ_in_controls_and_in_the_area_that_is_painted() -> None:
    picture = InputPicture("b2:0")
    net, of_start = Control("b2:1", picture), Control("b2:1", None)
    inits = [Init(picture, 0.6, mask=Mask(area=area)) for area in (None, Area(0, 0, 16, 16, 16, 16))]
    shots = [replace(BASE, controls=controls) for controls in ((), (net,), (net, net), (of_start,))]
    shots += [replace(BASE, init=init) for init in inits]
    jobs = JobList([motion.make(shot, Motion(), Encoding()) for shot in shots])
    exact = costs(jobs)
    assert len(set(exact)) == 5
    assert division.kinds(jobs).costs().tolist() == pytest.approx(exact)


def test_a_part_is_divided_as_finely_as_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "GUIDE", 4)
    part = range(0, 64, 2)
    found = division.chunks(stills(64), part)
    assert [i for i in range(64) if found.of[i] >= 0] == list(part)
    assert found.sizes.tolist() == division.chunks(stills(32)).sizes.tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 200])
def test_shards_part_the_plan(count: int) -> None:
    jobs = swept()
    parts = [division.shard(jobs, index, count) for index in range(count)]
    assert all(list(part) == sorted(part) for part in parts)
    assert sorted(itertools.chain(*parts)) == list(range(len(jobs)))


@pytest.mark.parametrize("jobs", [200, 2000])
def test_shards_of_the_mixed_sweep_cost_about_the_same(jobs: int) -> None:
    sweep = mixed("fake", jobs)
    exact = costs(sweep)
    loads = [sum(exact[i] for i in division.shard(sweep, index, 8)) for index in range(8)]
    assert max(loads) / min(loads) < 1.03


def test_a_video_is_not_divided() -> None:
    p = plan(*(video(6, seed=s) for s in range(3)), *stills(2))
    found = division.chunks(p)
    assert found.sizes.tolist() == [1] * 5
    assert found.costs[0] == pytest.approx(sum(cost(shot) for shot in motion.shots(p[0])))
    assert [int(n) for n in found.of] == [0, 1, 2, 3, 4]


def test_an_empty_plan_has_no_chunks() -> None:
    assert len(division.chunks(plan())) == 0
    assert list(division.shard(plan(), 0, 2)) == []
