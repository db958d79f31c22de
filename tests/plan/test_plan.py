"""The plan: every combination exactly once, in a fixed order, lazily, without torch."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdbatch.plan import division
from sdbatch.store import Store
from sdbatch.tasks import dispatch
from tests.config.building import VIDEO, planned, problems


def values(plan, *keys):
    """The values of ``keys``, job by job."""
    return [tuple(dict(job.labels)[key] for key in keys) for job in plan]


# ---- order and laziness


def test_seeds_are_innermost_and_prompts_outermost():
    plan = planned(prompts=["a", "b"], canvas=["1:1", "16:9"], sweep=[{"sampling.steps": [12, 24]}], seeds="0..1")
    expected = list(itertools.product("ab", ["1:1", "16:9"], ["12", "24"], "01"))
    assert values(plan, "prompts", "canvas", "sampling.steps", "seeds") == expected


def test_a_plan_is_a_sequence_of_jobs_made_on_demand():
    plan = planned(prompts=["a", "b"], seeds="0..4", sweep=[{"sampling.guidance": [4, 6]}])
    jobs = list(plan)
    assert [plan[i] for i in range(len(plan))] == jobs
    assert plan[3:9:2] == jobs[3:9:2]
    assert plan[-1] == jobs[-1]
    assert [job.id for job in jobs] == plan.ids


def test_a_large_plan_holds_no_jobs():
    plan = planned(prompts=["a", "b"], seeds="0..9999")
    assert len(plan) == 20_000
    assert plan[19_999].shot.seed == 9_999


# ---- axes


def test_keys_in_one_entry_go_together():
    plan = planned(sweep=[{"sampling.steps": [12, 24], "sampling.sampler": ["euler_a", "ddim"]}])
    assert values(plan, "sampling.steps", "sampling.sampler") == [("12", "euler_a"), ("24", "ddim")]


def test_entries_multiply():
    plan = planned(sweep=[{"sampling.steps": [12, 24]}, {"sampling.guidance": [4, 6, 8]}])
    assert values(plan, "sampling.steps", "sampling.guidance") == list(itertools.product(["12", "24"], "468"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0..3", [0, 1, 2, 3]),
        ("10..50..10", [10, 20, 30, 40, 50]),
        ("1..10..4", [1, 5, 9]),
        ("5..5", [5]),
        (" 1 .. 2 ", [1, 2]),
    ],
)
def test_ranges_include_both_ends(written, meant):
    assert [job.shot.seed for job in planned(seeds=written)] == meant
    assert [job.shot.seed for job in planned(sweep=[{"seeds": written}])] == meant


def test_ranges_of_decimals_are_exact():
    plan = planned(sweep=[{"sampling.guidance": "4.0..5.0..0.1"}])
    assert [job.shot.guidance for job in plan] == [4.0, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6, 4.7, 4.8, 4.9, 5.0]


@pytest.mark.parametrize(("written", "meant"), [(0, [0]), ([5, 1, 9], [5, 1, 9]), (["0..2", 7], [0, 1, 2, 7])])
def test_seeds_keep_the_order_in_which_they_are_written(written, meant):
    assert [job.shot.seed for job in planned(seeds=written)] == meant


@pytest.mark.parametrize(
    ("key", "two", "attribute"),
    [
        ("negative", ["", "clouds"], "negative"),
        ("canvas", ["64x64", "64x32"], "height"),
        ("sampling.sampler", ["ddim", "euler"], "sampler"),
        ("sampling.guidance_interval", [[0, 1], [0, 0.5]], "guidance_interval"),
        ("prompts", ["a", {"id": "x", "text": "b"}], "prompt"),
    ],
)
def test_every_key_that_decides_a_picture_can_be_swept(key, two, attribute):
    one, other = planned(sweep=[{key: two}], prompts=[] if key == "prompts" else ["a sea"])
    assert getattr(one.shot, attribute) != getattr(other.shot, attribute)


def test_a_negative_of_a_prompt_comes_before_the_experiments():
    plan = planned(prompts=["a", {"text": "b", "negative": "snow"}, {"text": "c", "negative": ""}], negative="clouds")
    assert [job.shot.negative for job in plan] == ["clouds", "snow", ""]


def test_canvas_is_native_area_or_exact():
    plan = planned(canvas=["1:1", "16:9", "101x67"])
    assert [(j.shot.width, j.shot.height) for j in plan] == [(128, 128), (168, 96), (101, 67)]


# ---- videos


def test_stills_and_videos_in_one_experiment():
    plan = planned(motion=VIDEO, sweep=[{"motion.mode": ["still", "prompt"]}])
    assert [job.path.split("/")[0] for job in plan] == ["images", "videos"]


def test_a_video_may_get_its_length_from_the_sweep_alone():
    plan = planned(motion={"mode": "prompt", "phrase": "{t}"}, sweep=[{"motion.frames": "2..4"}])
    assert [job.video.motion.count for job in plan] == [2, 3, 4]


def test_schedules_and_encodings_can_be_swept():
    zooms = [1, [[0, 1], ["end", 2]]]
    video = VIDEO | {"phrase": "zoom {zoom:.1f}"}
    plan = planned(motion=video, sweep=[{"motion.zoom": zooms}, {"encoding.quality": [18, 28]}])
    assert values(plan, "motion.zoom", "encoding.quality") == list(
        itertools.product(["0:1", "0:1 end:2"], ["18", "28"])
    )


def test_a_picture_in_every_encoding_is_one_picture():
    plan = planned(sweep=[{"encoding.quality": [18, 28]}])
    assert (len(plan), plan.duplicates) == (1, 1)


# ---- skip rules and duplicates

STEPS = [{"sampling.steps": [12, 24]}, {"sampling.guidance": [4, 6, 8]}]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"sampling.steps": 12}, 9),
        ({"sampling.steps": 12, "sampling.guidance": 8}, 15),
        ({"sampling.guidance": [4, 8]}, 6),
        ({"sampling.guidance": "4..6..2"}, 6),
        ({"sampling.guidance": 6.0}, 12),
        ({"seeds": "1..2"}, 6),
        ({"prompts": "a-sea", "seeds": 0}, 12),
        ({"prompts": "a sea", "seeds": [0, 1]}, 6),
        ({"canvas": "1:1", "seeds": 2}, 12),
    ],
    ids=str,
)
def test_skip_leaves_out_what_matches_every_key(rule, left):
    plan = planned(sweep=STEPS, seeds="0..2", skip=[rule])
    assert (len(plan), plan.skipped) == (left, 18 - left)


def test_rules_add_up():
    plan = planned(sweep=STEPS, skip=[{"sampling.steps": 12}, {"sampling.guidance": 4}])
    assert values(plan, "sampling.steps", "sampling.guidance") == [("24", "6"), ("24", "8")]


@pytest.mark.parametrize(
    "twice",
    [
        {"seeds": [3, 1, 3]},
        {"prompts": ["a", "b", "a"]},
        {"canvas": ["1:1", "128x128", "64x64"]},
        {"sweep": [{"sampling.guidance": [6, 4, 6.0]}]},
    ],
    ids=str,
)
def test_jobs_that_come_out_twice_are_planned_once(twice):
    plan = planned(**twice)
    assert (len(plan), plan.duplicates) == (2, 1)
    assert plan.ids == [job.id for job in plan]


# ---- shards


def test_the_shard_of_a_dry_run_is_what_is_rendered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, before = Store(tmp_path / "outputs/parts"), set[str]()
    for index in range(3):
        data = {"name": "parts", "prompts": ["a sea"], "model": {"kind": "fake"}, "canvas": ["32x24"], "seeds": "0..6"}
        data |= {"shard": {"index": index, "count": 3}, "gallery": {"enabled": False}}
        plan = planned(data)
        assert dispatch.run(data) == 0
        done = set(store.ledger())
        assert done - before == {plan.ids[i] for i in division.shard(plan, index, 3)}
        before = done
    assert before == set(plan.ids)


# ---- prompt sets

SETS = {
    "p.yaml": "- a sea\n- {id: boat, text: 'a {red|blue} boat', negative: fog}\n",
    "p.yml": "prompts: [a sea, {id: boat, text: 'a {red|blue} boat', negative: fog}]\n",
    "p.csv": "id,text,negative\n,a sea,\nboat,a {red|blue} boat,fog\n",
    "semicolons.csv": "id;text;negative\n;a sea;\nboat;a {red|blue} boat;fog\n",
    "tabs.csv": "id\ttext\tnegative\n\ta sea\t\n\nboat\ta {red|blue} boat\tfog\n",
    "bom.csv": "\ufeffid,text,negative\r\n,a sea,\r\nboat,a {red|blue} boat,fog\r\n",
}


@pytest.mark.parametrize("name", SETS)
def test_prompt_sets(tmp_path, name):
    (tmp_path / name).write_text(SETS[name], "utf-8", newline="")
    prompts = planned(prompts=[{"file": str(tmp_path / name)}, "last"]).resolved.prompts
    assert [(p.id, p.text, p.negative) for p in prompts] == [
        ("a-sea", "a sea", None),
        ("boat-1", "a red boat", "fog"),
        ("boat-2", "a blue boat", "fog"),
        ("last", "last", None),
    ]


def test_a_text_file_is_a_prompt_a_line(tmp_path):
    (tmp_path / "p.txt").write_text("# two\n\n  a sea \na {red|blue} boat\n", "utf-8")
    plan = planned(prompts=[{"file": str(tmp_path / "p.txt")}])
    assert [job.shot.prompt for job in plan] == ["a sea", "a red boat", "a blue boat"]


def test_quotes_and_newlines_in_a_csv_are_data(tmp_path):
    (tmp_path / "p.csv").write_text('text\n"a ""sea"",\nby night"\n', "utf-8")
    assert [job.shot.prompt for job in planned(prompts=[{"file": str(tmp_path / "p.csv")}])] == ['a "sea",\nby night']


def test_prompts_get_ids_of_their_own():
    texts = ["a", "a", {"id": "a-2", "text": "b"}, "A!", {"id": "x", "text": "{b|c}"}, {"id": "x-1", "text": "d"}]
    ids = [p.id for p in planned(prompts=texts).resolved.prompts]
    assert len(set(ids)) == len(ids) == 7


def test_variants_do_not_depend_on_the_seed():
    plan = planned(prompts=["{red|blue} boat"], seeds="0..1")
    assert values(plan, "prompts", "seeds") == [(p, s) for p in ("red-boat", "blue-boat") for s in "01"]


# ---- limits and purity


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"seeds": "0..9", "plan": {"limit": 9}}, "the plan has 10 jobs, more than 9 (raise plan.limit)"),
        ({"seeds": "0..9999999"}, "the plan has 10,000,000 jobs, more than 100,000 (raise plan.limit)"),
        ({"seeds": "0..9999999", "canvas": ["1:1", "3:4", "4:3"]}, "the axes have 30,000,000 combinations"),
    ],
    ids=str,
)
def test_a_plan_beyond_the_limit_is_refused_at_once(data, message):
    (problem,) = problems(**data)
    assert str(problem).startswith(f"plan.limit: {message}")


def test_what_is_skipped_does_not_count_against_the_limit():
    assert len(planned(seeds="0..9", skip=[{"seeds": "2..9"}], plan={"limit": 2})) == 2


def test_planning_imports_no_torch():
    code = (
        "import sys, json; from tests.config.building import planned, VIDEO;"
        "planned(motion=VIDEO, seeds='0..3'); import sdbatch.cli, sdbatch.tasks.dispatch;"
        "import sdbatch.tasks.plan_report, sdbatch.runner;"
        "print(json.dumps([m for m in ('torch', 'diffusers', 'transformers', 'scipy') if m in sys.modules]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []


AXES: dict[str, list[Any]] = {
    "canvas": ["1:1", "16:9", "64x40"],
    "negative": ["", "fog", "rain"],
    "sampling.steps": [4, 8, 12],
    "sampling.guidance": [1, 2.5, 7],
    "sampling.sampler": ["ddim", "euler", "heun"],
    "encoding.quality": [10, 20, 30],
}


@st.composite
def experiments(draw):
    keys = draw(st.lists(st.sampled_from(sorted(AXES)), unique=True, max_size=4))
    sweep = []
    while keys:
        size = draw(st.integers(1, 2))
        group, keys = keys[:size], keys[size:]
        n = draw(st.integers(1, 3))
        sweep.append({key: AXES[key][:n] for key in group})
    seeds = draw(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3, unique=True))
    prompts = draw(st.lists(st.sampled_from(["a sea", "a boat", "snow"]), min_size=1, max_size=3, unique=True))
    video = draw(st.sampled_from([{}, VIDEO]))
    return {"sweep": sweep, "seeds": seeds, "prompts": prompts, "motion": video}


@settings(max_examples=60, deadline=None)
@given(experiments())
def test_a_plan_is_pure_and_whole(data):
    plan, again = planned(**data), planned(**data)
    assert plan.ids == again.ids
    assert list(plan) == list(again)
    combinations = len(data["prompts"]) * len(data["seeds"])
    for entry in data["sweep"]:
        combinations *= len(next(iter(entry.values())))
    assert len(plan) + plan.duplicates == combinations
    assert len(set(plan.ids)) == len(plan)
    labels = [job.labels for job in plan]
    assert len(set(labels)) == len(labels)
    seeds = [job.shot.seed for job in plan]
    assert seeds == data["seeds"] * (len(plan) // len(data["seeds"]))


@pytest.mark.parametrize(
    ("sweep", "rule", "said", "left"),
    [
        (
            [{"sampling.sampler": ["ddim", "lcm"]}, {"sampling.steps": [20, 60]}, {"canvas": ["1:1", "2:3"]}],
            {"sampling.sampler": "lcm", "sampling.steps": 60},
            "sampling.steps",
            18,
        ),
        (
            [{"motion.mode": ["still", "feedback"]}, {"motion.loop": [False, True]}, {"negative": ["", "fog"]}],
            {"motion.mode": "feedback", "motion.loop": True},
            "motion.loop",
            12,  # a picture does not loop
        ),
    ],
)
def test_combinations_that_are_skipped_need_not_be_valid(sweep: Any, rule: Any, said: str, left: int) -> None:
    data = {"seeds": "0..2", "sweep": sweep, "motion": {"seconds": 1, "zoom": [[0, 1], ["end", 2]]}}
    assert said in {p.key for p in problems(data)}
    assert problems(data, skip=[rule]) == []
    assert len(planned(data, skip=[rule])) == left
