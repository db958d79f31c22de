"""Every experiment and preset that is shipped can be planned, and says how it is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONF = Path(__file__).parents[2] / "conf"
EXPERIMENTS = sorted(p.stem for p in (CONF / "experiment").glob("*.yaml"))
PRESETS = sorted(p.stem for p in (CONF / "motion_preset").glob("*.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_are_planned(sdbatch: Callable[..., Any], name: str) -> None:
    said = sdbatch(f"+experiment={name}", "model=fake", "task=plan", "plan.format=json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["name"] == name
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert any(line.startswith("#") and f"python -m sdbatch +experiment={name}" in line for line in lines[:4])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_embedded_model_knows_their_words(sdbatch: Callable[..., Any], name: str) -> None:
    said = sdbatch(f"+experiment={name}", "task=plan", "plan.format=json")
    report = json.loads(said.out)
    assert report["unknown_words"] == report["prompt_warnings"] == []


def test_the_plan_of_a_video_names_the_preview(sdbatch: Callable[..., Any]) -> None:
    assert "plan.preview=true" in sdbatch("+experiment=anime_zoom", "model=fake", "task=plan").err
    assert not sdbatch("+experiment=anime_zoom", "model=fake", "task=plan", "plan.format=json").err


def test_the_words_of_a_video_are_looked_at(sdbatch: Callable[..., Any]) -> None:
    keys = ["motion.loop=false", "motion.seeds=[]", "motion.prompts=[[0,dawn],[end,bamboo]]"]
    said = sdbatch("+experiment=prompt_walk", *keys, "task=plan", "plan.format=json")
    assert json.loads(said.out)["unknown_words"] == ["bamboo"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_planned(sdbatch: Callable[..., Any], name: str) -> None:
    keys = ["prompts=[a sea]", "motion.seconds=2", "model=fake", "task=plan"]
    said = sdbatch(f"+motion_preset={name}", *keys)
    assert said.code == 0, said.err
    assert ".mp4" in said.out
    assert f"+motion_preset={name}" in (CONF / "motion_preset" / f"{name}.yaml").read_text()


def test_the_sampling_preset_saves_the_rows_that_it_says(sdbatch: Callable[..., Any]) -> None:
    keys = ["prompts=[a sea]", "sampling.steps=24", "model=fake", "task=plan", "plan.format=json"]
    said = [sdbatch(*more, *keys).out for more in ([], ["+sampling_preset=half_guided"])]
    whole, part = (json.loads(out)["to_render"]["rows"] for out in said)
    assert (whole, part) == (48, 36)


def test_the_experiment_of_the_guidance_interval_compares_all_with_parts(sdbatch: Callable[..., Any]) -> None:
    said = sdbatch("+experiment=guidance_interval", "model=fake", "task=plan", "plan.format=json")
    plan = json.loads(said.out)["to_render"]
    assert plan["jobs"] == 42
    assert plan["rows"] == 6 * (48 + 42 + 36 + 30 + 42 + 36 + 36)


@pytest.mark.parametrize(
    ("name", "pictures", "videos"), [("anime_zoom", 18, 3), ("sampler_guidance", 60, 0), ("catalogue", 56, 0)]
)
def test_the_showcase_has_pictures_and_videos(
    sdbatch: Callable[..., Any], name: str, pictures: int, videos: int
) -> None:
    plan = json.loads(sdbatch(f"+experiment={name}", "model=fake", "task=plan", "plan.format=json").out)
    modes = [axis["values"] for axis in plan["axes"] if axis["axis"] == "motion.mode"] or [
        {"still": {"jobs": plan["jobs"]}}
    ]
    assert [modes[0].get(mode, {"jobs": 0})["jobs"] for mode in ("still", "zoom")] == [pictures, videos]
