"""A job that goes through a file comes back as it was: the same value, the same id."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch import motion
from sdbatch.engine.fake import FakeRenderer
from sdbatch.errors import ConfigError
from sdbatch.media import metadata
from sdbatch.motion.settings import Motion
from sdbatch.plan import parse
from sdbatch.samplers import SAMPLERS, NoiseSchedule
from sdbatch.spec.jobs import Encoding, Model, PromptBlend, Shot
from sdbatch.spec.start import Camera, Start
from tests.motion.videos import BASE, MOTIONS, video

SHARES = st.floats(0.01, 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
IDS = st.from_regex(r"j[0-9a-f]{16}", fullmatch=True)
CAMERAS = st.builds(Camera, st.floats(0.1, 10), st.floats(-1, 1), st.floats(-1, 1), st.floats(-360, 360))
MODELS = st.builds(
    Model,
    weights=st.sampled_from(["b2:0123", "a/b@" + "0" * 40]),
    schedule=st.builds(NoiseSchedule, prediction=st.sampled_from(["epsilon", "v_prediction"]), steps_offset=st.just(0)),
    clip_skip=st.integers(1, 12),
    vae=st.sampled_from(["", "b2:4567"]),
)
SHOTS = st.builds(
    Shot,
    model=MODELS,
    prompt=TEXTS,
    negative=TEXTS,
    seed=st.integers(0, 2**63 - 1),
    width=st.integers(16, 8192),
    height=st.integers(16, 8192),
    sampler=st.sampled_from(list(SAMPLERS)),
    steps=st.integers(2, 50),
    guidance=st.floats(1, 30) | st.integers(1, 30),
    guidance_interval=st.sampled_from([(0.0, 1.0), (0.1, 0.9)]),
    toward=st.none() | st.builds(PromptBlend, TEXTS, TEXTS, st.integers(0, 2**63 - 1), st.floats(0, 1)),
    start=st.none() | st.builds(Start, IDS, SHARES, CAMERAS, st.booleans(), st.just("") | IDS),
)


def _through(data: Any) -> Any:
    return json.loads(metadata.dumps(data))


@given(shot=SHOTS)
def test_shots(shot: Shot) -> None:
    again = parse.shot(_through(shot.spec()))
    assert again == shot
    assert again.id == shot.id


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ["still", *MOTIONS])
def test_jobs_of_every_sampler_and_mode(sampler: str, name: str) -> None:
    from dataclasses import replace

    base = replace(BASE, sampler=sampler)
    made = motion.make(base, Motion(), Encoding()) if name == "still" else video(name, base, Encoding(quality=30))
    profile = FakeRenderer().profile
    said = _through(metadata.describe(made, profile))
    again = parse.job(said["job"], name=name)
    assert again.id == made.id
    assert motion.shots(again) == motion.shots(made)
    assert list(motion.frames(again)) == list(motion.frames(made))
    assert again.video == made.video
    assert parse.profile(said["profile"]) == profile


def test_every_mode_has_a_video_here() -> None:
    assert {"still", *(m["mode"] for m in MOTIONS.values())} == motion.MODES.keys()


WRONG: list[tuple[str, Any, str]] = [
    ("steps", "7", "is not a whole number"),
    ("steps", 0, "out of range 1–1000"),
    ("steps", 10**40, "shot.steps"),
    ("guidance", 0.5, "out of range 1–30"),
    ("seed", -1, "out of range"),
    ("size", [10**6, 8], "sides are 16–8192"),
    ("size", [64], "is too short"),
    ("sampler", {"kind": "euler", "spacing": "odd"}, "is not a sampler of this version"),
    ("sampler", "euler", "is not a mapping"),
    ("model", {"weights": 3}, "is not text"),
    ("model", {"weights": "x", "schedule": {"prediction": "odd"}}, "prediction"),
    ("prompt", "a" * 300_000, "longer than"),
    ("prompt", "\ud800", "not UTF-8"),
    ("v", 2, "allowed: 1"),
    ("extra", 1, "unknown key"),
    ("start", {"parent": "x", "strength": "1"}, "strength"),
]


@pytest.mark.parametrize(("key", "value", "says"), WRONG, ids=[f"{k}-{i}" for i, (k, _, _) in enumerate(WRONG)])
def test_what_is_wrong_is_named(key: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigError) as e:
        parse.shot({**BASE.spec(), key: value})
    assert says in str(e.value)


def test_settings_that_do_not_give_the_id() -> None:
    data = {"id": BASE.id, "shot": {**BASE.spec(), "steps": 9}}
    with pytest.raises(ConfigError, match=f"'{BASE.id}' does not match the settings, which give j"):
        parse.job(_through(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(key=st.sampled_from(list(BASE.spec())), value=JSON)
def test_anything_else_is_a_problem_never_a_traceback(key: str, value: Any) -> None:
    made = video("prompt")
    data = {"id": made.id, **motion.job_spec(made)}
    data["shot"] = {**data["shot"], key: value}
    for where in (data, {**data, "motion": value}, {**data, "encoding": value}, {**data, "shot": value}, value):
        try:
            parse.job(where)
        except ConfigError:
            continue


@given(value=JSON)
def test_profiles_of_anything(value: Any) -> None:
    for data in (value, {**FakeRenderer().profile.asdict(), "rows": value, "versions": value}):
        try:
            parse.profile(data)
        except ConfigError:
            continue


def test_nesting() -> None:
    deep: Any = "x"
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse.job({"shot": {**BASE.spec(), "prompt": deep}})
