"""Texts that change with the step, in plans: ids, what old files mean, cost, and what the dry run says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch import motion
from sdbatch.media import infotext
from sdbatch.plan import division, parse
from sdbatch.samplers import SAMPLERS
from sdbatch.spec import cost, wording
from sdbatch.spec.jobs import Model, Shot
from sdbatch.tasks.rerender import JobList
from tests.config.building import planned

OLD = "[a|b] AND [c:d:0.5]"
OLD_ID = "j66c042ab20e10168"  # of the version to which this was plain text


def test_a_text_with_a_new_meaning_has_a_new_id_and_its_old_file_the_old_one() -> None:
    (job,) = planned(prompts=[OLD])
    assert job.shot.step_syntax
    assert job.id != OLD_ID
    assert job.shot.prompt == OLD
    assert infotext.write(job.shot).startswith(f"{OLD}\n")
    assert parse.job({"id": job.id, **motion.job_spec(job)}) == replace(job, slug="prompt", labels=())
    old = {k: v for k, v in job.shot.spec().items() if k != "step_syntax"}
    assert parse.job({"id": OLD_ID, "shot": json.loads(json.dumps(old))}).shot == replace(job.shot, step_syntax=False)


@pytest.mark.parametrize(
    "text", ["a [b] (c:1.2)", "[a:b]", "[a:b:c]", "[12:30|x:y]", "sand and BAND", r"\[a|b\]", "[a|b"]
)
def test_texts_without_the_syntax_are_not_marked(text: str) -> None:
    assert [job.shot.step_syntax for job in planned(prompts=[text], negative="x AND y")] == [False]


def test_negative_prompts_change_as_well() -> None:
    assert [job.shot.step_syntax for job in planned(prompts=["a"], negative="[x|y]")] == [True]
    assert [job.shot.step_syntax for job in planned(prompts=[{"text": "a", "negative": "[x:5]"}])] == [True]


@pytest.mark.parametrize(
    ("settings", "marked"),
    [
        ({"mode": "prompt", "frames": 3, "phrase": "[day:night:{t:.2f}]"}, True),
        ({"mode": "walk", "frames": 3, "prompts": [[0, "day"], ["end", "moon AND night"]]}, True),
        ({"mode": "prompt", "frames": 3, "phrase": "zoom {zoom:.1f} [a]"}, False),
    ],
)
def test_a_video_is_marked_by_what_its_motion_adds(settings: dict, marked: bool) -> None:
    (job,) = planned(motion=settings)
    assert {shot.step_syntax for shot in motion.shots(job)} == {marked} == {job.shot.step_syntax}
    assert parse.job({"id": job.id, **json.loads(json.dumps(motion.job_spec(job)))}).id == job.id


@given(
    prompt=st.text(alphabet="ab[]():|.5 \\AND", max_size=30).filter(str.strip),
    negative=st.text(alphabet="a[]:|.5", max_size=12),
    sampler=st.sampled_from(sorted(SAMPLERS)),
    guidance=st.sampled_from([1.0, 6.0]),
)
def test_any_text_has_rows_and_texts(prompt: str, negative: str, sampler: str, guidance: float) -> None:
    """What the plan counts is what the engine is given."""
    shot = Shot(Model("b2:00"), prompt, negative, 0, 64, 64, sampler, 4, guidance, step_syntax=True)
    steps = cost.table_of(shot).steps
    parts = wording.prompt(shot, steps)
    assert len(parts) == wording.part_count(shot)
    shown = {blend.text for part in parts for blend in part.steps}
    if guidance != 1.0 or len(parts) > 1:
        shown |= {blend.text for blend in wording.negative(shot, steps)}
    assert shown == set(cost.texts(shot))
    assert all(len(part.steps) == steps and part.weight >= -100 for part in parts)


def test_every_part_of_a_prompt_is_a_row_in_the_plan() -> None:
    plan = planned(prompts=["a", "a AND b", "[a|b]", "a AND b AND c"], sampling={"steps": 10}, seeds="0..1")
    assert [cost.rows(job.shot) for job in plan] == [20, 20, 30, 30, 20, 20, 40, 40]
    costs = [cost.cost(job.shot) for job in plan]
    assert division.kinds(plan).costs().tolist() == pytest.approx(costs)
    assert division.kinds(JobList(list(plan))).costs().tolist() == pytest.approx(costs)
