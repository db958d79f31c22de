"""Jobs of several plans on one page: the keys that differ are the axes, and no two jobs have the same place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch.plan.plan import Plan
from sdbatch.plan.together import Together, experiment, together
from tests.config.building import planned
from tests.models.lora_files import write
from tests.models.test_weights import LDM
from tests.models.test_weights import write as weights


def axes(*plans: Plan) -> dict[str, list[str]]:
    """The axes with several values: their keys, and the values' labels."""
    made = together([plan[:] for plan in plans])
    assert len({job.labels for job in made.jobs}) == len(made), "two jobs in one place"
    names = {frozenset(key for key, _ in job.labels) for job in made.jobs}
    assert len(names) == 1, "a job without a label"
    return {" ".join(a.keys): [" ".join(v) for v in a.values] for a in made.axes if len(a.values) > 1}


def test_a_key_that_differs_is_an_axis():
    plans = [planned(sampling={"steps": steps}, seeds="0..1") for steps in (20, 5, 10)]
    assert axes(*plans) == {"sampling.steps": ["5", "10", "20"], "seeds": ["0", "1"]}


def test_a_swept_key_meets_one_that_is_set():
    swept = planned(sweep=[{"sampling.guidance": [2, 4]}])
    assert axes(swept, planned(sampling={"guidance": 7.5})) == {"sampling.guidance": ["2", "4", "7.5"]}


def test_keys_that_go_together_are_one_axis():
    plans = [planned(sampling={"steps": s, "sampler": n}, seeds=[1, 2]) for s, n in ((9, "ddim"), (5, "euler"))]
    assert axes(*plans) == {"sampling.sampler sampling.steps": ["ddim 9", "euler 5"], "seeds": ["1", "2"]}


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ({"negative": ""}, {"negative": "clouds"}, "negative"),
        ({"seeds": 1}, {"seeds": 2}, "seeds"),
        ({"canvas": ["1:1"]}, {"canvas": ["16:9"]}, "canvas"),
        ({"prompts": ["a hill"]}, {"prompts": ["a lake"]}, "prompts"),
        ({"model": {"kind": "fake"}}, {"model": {"kind": "fake", "clip_skip": 2}}, "model"),
        ({"sampling": {"guidance_interval": [0.0, 0.5]}}, {}, "sampling.guidance_interval"),
    ],
)
def test_every_kind_of_difference_is_named(first, second, key):
    assert list(axes(planned(first), planned(second))) == [key]


def test_a_video_beside_a_picture():
    video = {"mode": "zoom", "frames": 3, "zoom": [[0, 1.0], ["end", 2.0]]}
    (name,) = axes(planned(), planned(motion=video))
    assert name.split()[:1] == ["motion.mode"]


def test_other_texts_under_one_label_are_numbered():
    """An automatic label is made of the first words."""
    prompts = ["anime scene with a red torii gate", "anime scene with a red torii gate, at night"]
    found = axes(*(planned(prompts=[text]) for text in prompts))
    assert found == {"prompts": ["anime-scene-with-a-red", "anime-scene-with-a-red-2"]}


def test_models_of_one_name_are_numbered(tmp_path):
    for name in "ab":
        weights(tmp_path / name / "m.safetensors", **LDM, own=np.full(1, ord(name), np.float32))
    plans = [planned(model={"kind": "local", "path": str(tmp_path / name / "m.safetensors")}) for name in "ab"]
    assert axes(*plans) == {"model": ["m", "m-2"]}


def test_what_no_key_says_is_the_number_of_the_run(monkeypatch):
    first, second = planned(), planned(canvas=["64x64"])
    same = [[job] for job in (first[0], second[0])]
    object.__setattr__(same[1][0], "labels", same[0][0].labels)
    made = together(same)
    assert [dict(job.labels)["run"] for job in made.jobs] == ["1", "2"]


def test_experiments_side_by_side():
    """The same job in two experiments is in both places."""
    plan = planned(seeds="0..1")
    made = together([[experiment(job, name) for job in plan] for name in ("x", "y")])
    assert isinstance(made, Together)
    assert made.ids == [*plan.ids, *plan.ids]
    assert made.axes[0].keys == ("experiment",)
    assert made[3].labels[0] == ("experiment", "y")


STEPS = [{"sampling": {"steps": steps}} for steps in (5, 10)]


@pytest.fixture
def styled(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "styles.csv").write_text(
        "name,prompt,negative_prompt\nfilm,{prompt} on film,digital\nnight,night,day\n"
    )
    return {"file": str(tmp_path / "styles.csv")}


def test_a_negative_prompt_of_a_prompt_is_no_axis():
    prompts = [{"text": "a hill", "negative": "fog"}, {"text": "a lake", "negative": "rain"}]
    found = axes(*(planned(prompts=prompts, **how) for how in STEPS))
    assert found == {"prompts": ["a-hill", "a-lake"], "sampling.steps": ["5", "10"]}


def test_negative_prompts_that_only_one_prompt_has_share_a_value():
    prompts = ["a sea", *({"text": f"a hill {n}", "negative": f"fog {n}"} for n in range(3))]
    found = axes(*(planned(prompts=prompts, negative=text) for text in ("", "rain")))
    assert found["negative"] == ["", "of the prompt", "rain"]


def test_swept_styles_do_not_number_the_prompts(styled):
    sweep = [{"styles.use": [None, "film", "night"]}]
    plans = [planned(prompts=["a hill", "a lake"], styles=styled, sweep=sweep, **how) for how in STEPS]
    assert axes(*plans) == {
        "prompts": ["a-hill", "a-lake"], "styles.use": ["none", "film", "night"], "sampling.steps": ["5", "10"]
    }  # fmt: skip
    assert len(together([plan[:] for plan in plans])) == 12


def test_other_texts_are_numbered_under_every_style(styled):
    sweep = [{"styles.use": ["film", "night"]}]
    plans = [planned(prompts=[{"id": "x", "text": text}], styles=styled, sweep=sweep) for text in ("a hill", "a lake")]
    assert axes(*plans) == {"prompts": ["x", "x-2"], "styles.use": ["film", "night"]}


def test_loras_of_prompts_are_no_axis(tmp_path):
    write(tmp_path / "ink.safetensors", "kohya")
    prompts = ["a hill", {"text": "a lake", "loras": [{"path": str(tmp_path / "ink.safetensors")}]}]
    found = axes(*(planned(prompts=prompts, model={"kind": "random_sd15"}, **how) for how in STEPS))
    assert found == {"prompts": ["a-hill", "a-lake"], "sampling.steps": ["5", "10"]}


TWO = {"models": ["fake", {"name": "two", "clip_skip": 2}]}
SKIPS = {"sweep": [{"model.clip_skip": [1, 2]}]}


@pytest.mark.parametrize(
    ("plans", "found"),
    [
        ([TWO | how for how in STEPS], {"models": ["fake", "two"], "sampling.steps": ["5", "10"]}),
        ([SKIPS | how for how in STEPS], {"model.clip_skip": ["1", "2"], "sampling.steps": ["5", "10"]}),
        ([SKIPS, {"model": {"kind": "fake", "clip_skip": 3}}], {"model.clip_skip": ["1", "2", "3"]}),
    ],
)
def test_swept_models_are_one_axis(plans, found):
    assert axes(*map(planned, plans)) == found
