"""Waves as schedules: their values, what they are told wrong, where they show, and what they cost in ids."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch import motion
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError
from sdbatch.motion.fields import dumped
from sdbatch.motion.schedule import Clock, curve
from sdbatch.motion.settings import Motion
from sdbatch.motion.waves import SHAPES, Wave, WaveKeys, dump, parse
from sdbatch.plan import parse as reader
from sdbatch.preview.plot import curves
from tests.config.building import planned, problems, sdbatch
from tests.motion.videos import shot_ids, video

CLOCK = Clock(97, Fraction(24))  # 0 to 4 s
SIN: dict[str, Any] = {"wave": "sin", "period": "2s", "from": 1, "to": 3}
ZOOM: dict[str, Any] = {"mode": "zoom", "frames": 97}


def values(clock: Clock = CLOCK, *, log: bool = False, ends: tuple[float, float] = (1, 3), **keys: Any) -> list[float]:
    return curve(parse(SIN | {"from": ends[0], "to": ends[1]} | keys).keyframes(clock, log=log), clock, log=log)


def test_sine_and_cosine_go_between_from_and_to() -> None:
    for shape, function in (("sin", math.sin), ("cos", math.cos)):
        want = [2 + function(2 * math.pi * i / 48) for i in range(97)]
        assert values(wave=shape) == pytest.approx(want)
    assert values(wave="cos", ends=(3, 1))[0] == 1  # begins at to
    assert values(wave="sin", phase=0.25) == pytest.approx(values(wave="cos"))


@pytest.mark.parametrize(("period", "frames"), [(48, 48), ("48", 48), ("2s", 48), ("50%", 48), ("12.5%", 12)])
def test_periods_are_frames_seconds_or_percentages(period: str | int, frames: int) -> None:
    found = values(period=period)
    assert found[frames:] == pytest.approx(found[:-frames])
    assert found[frames // 4] == pytest.approx(3)
    assert found[3 * frames // 4] == pytest.approx(1)


def test_a_pulse_is_high_for_its_width() -> None:
    assert values(wave="pulse", width=0.25)[:50] == [3] * 12 + [1] * 36 + [3] * 2
    assert values(wave="pulse", width=0.25, phase=0.75)[:50] == [1] * 12 + [3] * 12 + [1] * 26
    assert {*values(wave="pulse", width=0)} == {1}
    assert {*values(wave="pulse", width=1)} == {3}


def test_noise_is_smooth_and_its_seed_alone_decides_it() -> None:
    found = values(wave="noise", period=24)
    assert found == values(wave="noise", period="1s") == values(wave="noise", period=24, seed=0)
    assert found != values(wave="noise", period=24, seed=1)
    assert found[:50] == values(Clock(50, Fraction(24)), wave="noise", period=24)  # the length does not matter
    assert max(abs(b - a) for a, b in pairwise(found)) < 0.2 * (max(found) - min(found))
    assert len({round(v, 6) for v in found[::24]}) == 5
    assert found[:49:24] == pytest.approx(PINNED_NOISE)


PINNED_NOISE = [1.9377655434683518, 1.4562246817638709, 2.1104015637553957]


def test_noise_repeats_in_a_loop_of_whole_periods() -> None:
    loop = Clock(97, Fraction(24), closed=True)
    found = values(loop, wave="noise", period=24)
    assert found[0] == found[-1]
    assert found[:72] == values(wave="noise", period=24)[:72]


def test_a_wave_of_the_zoom_has_the_mean_in_log_space() -> None:
    found = values(log=True, ends=(1, 4))
    assert (found[0], found[12], found[36]) == pytest.approx((2, 4, 1))


@st.composite
def waves(draw: st.DrawFn) -> Wave:
    shape = draw(st.sampled_from(sorted(SHAPES)))
    low, high, phase = draw(st.floats(0.01, 100)), draw(st.floats(0.01, 100)), draw(st.floats(0, 1))
    seed = draw(st.integers(0, 2**63 - 1)) if shape == "noise" else 0
    return Wave(shape, draw(st.floats(1, 500)), low, high, phase, seed=seed)


@given(waves(), st.booleans())
def test_any_wave_stays_in_its_range_and_survives_its_file(wave: Wave, log: bool) -> None:
    found = curve(wave.keyframes(CLOCK, log=log), CLOCK, log=log)
    low, high = sorted((wave.low, wave.high))
    assert all(low * (1 - 1e-9) <= v <= high * (1 + 1e-9) for v in found)
    assert parse(dump(wave)) == wave


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"from": 0}, "from", "0 is out of range 0.001–10000"),
    ({"to": 20_000}, "to", "20000 is out of range 0.001–10000"),
    ({"to": "big"}, "to", "'big' is not a number"),
    ({"from": None}, "from", "null is not a number"),
    ({"wave": "sinus"}, "wave", "unknown wave 'sinus'; allowed: sin, cos, pulse, noise, beats; did you mean 'sin'?"),
    ({"wave": ["sin"]}, "wave", "unknown wave"),
    ({"period": 0}, "period", "the period 0 is shorter than a frame (1/24 s)"),
    ({"period": "0.01s"}, "period", "shorter than a frame"),
    ({"period": "end"}, "period", "'end' is not a period; write frames (24), seconds (2s) or a percentage (50%)"),
    ({"period": [2]}, "period", "is not a period"),
    ({"period": True}, "period", "true is not a period"),
    ({"phase": 1.5}, "phase", "1.5 is out of range 0–1"),
    ({"width": 0.5}, "width", "is not used by wave sin, only by pulse"),
    ({"wave": "pulse", "width": -1}, "width", "-1 is out of range 0–1"),
    ({"seed": 3}, "seed", "is not used by wave sin, only by noise"),
    ({"wave": "noise", "seed": 1.5}, "seed", "1.5 is not a whole number"),
    ({"wave": "noise", "seed": -1}, "seed", "-1 is out of range"),
    ({"low": 1}, "low", "unknown key (known: wave, period, from, to"),
    ({"phas": 0}, "phas", "unknown key (did you mean 'phase'?)"),
]


@pytest.mark.parametrize(("data", "key", "says"), WRONG, ids=str)
def test_mistakes_name_the_key_of_the_wave(data: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(ConfigError) as found:
        check(Motion, ZOOM | {"zoom": SIN | data}, "motion")
    assert [p.key for p in found.value.problems] == [f"motion.zoom.{key}"]
    assert says in str(found.value.problems[0])


def test_all_mistakes_at_once() -> None:
    bad = {"wave": "sine", "perod": "2s", "from": "a"}
    found = [p.key for p in problems(motion=ZOOM | {"zoom": bad, "x": SIN | {"from": -101, "to": 101}})]
    assert found == [f"motion.{k}" for k in ("zoom.wave", "zoom.perod", "zoom.from", "zoom.period", "zoom.to")] + [
        "motion.x.from",
        "motion.x.to",
    ]


def test_a_wave_is_over_time_not_by_depth_and_a_loop_needs_its_ends() -> None:
    by_depth = problems(motion=ZOOM | {"strength": SIN | {"from": 0.3, "to": 0.6}})
    assert [p.key for p in by_depth] == ["motion.strength"]
    assert "in mode zoom it goes by depth" in str(by_depth[0])
    looped = problems(motion=ZOOM | {"loop": True, "x": SIN | {"period": 40}})
    assert [p.key for p in looped] == ["motion.x"]
    assert "a loop needs equal ends" in str(looped[0])
    assert "a period of 50% or 25% fits" in str(looped[0])
    for shape in SHAPES:
        assert not problems(motion=ZOOM | {"loop": True, "x": SIN | {"wave": shape, "period": "25%"}})


@pytest.mark.parametrize("shape", SHAPES)
def test_a_video_with_a_wave_comes_back_from_its_metadata(shape: str) -> None:
    job = video("feedback", zoom=SIN | {"wave": shape, "period": 4}, strength=SIN | {"from": 0.2, "to": 0.6})
    data = motion.job_spec(job) | {"id": job.id}
    assert data["motion"]["zoom"] == {"wave": shape, "period": 4, "from": 1.0, "to": 3.0}
    assert reader.job(data).video == job.video
    data["motion"]["zoom"]["to"] = 2.9
    with pytest.raises(ConfigError, match="does not match the settings"):
        reader.job(data)


def test_a_wave_decides_the_id_and_a_zoom_keeps_its_shots() -> None:
    still, waving = video("zoom", zoom=3.0, frames=48), video("zoom", zoom=SIN | {"to": 3}, frames=48)
    other = video("zoom", zoom=SIN | {"to": 3, "phase": 0.5}, frames=48)
    assert len({still.id, waving.id, other.id}) == 3
    assert shot_ids(waving) == shot_ids(other)
    assert waving.id == "jebd74c66b21deb8f"


def test_waves_are_swept_and_named() -> None:
    sweep = [{"motion.zoom": [1.5, SIN, SIN | {"wave": "noise", "seed": 4}]}]
    plan = planned(motion=ZOOM | {"frames": 9}, sweep=sweep, skip=[{"motion.zoom": "sin 2s 1 3"}])
    assert [dict(job.labels)["motion.zoom"] for job in plan] == ["0:1.5", "noise 2s 1 3 4"]
    assert len(set(plan.ids)) == 2


def test_the_preview_draws_waves() -> None:
    flat = np.asarray(curves(video("zoom", zoom=3.0)))
    waving = np.asarray(curves(video("zoom", zoom=SIN | {"period": 6})))
    assert waving.shape == flat.shape
    line = (waving == (0x24, 0x56, 0xA6)).all(2)
    assert line.any(1).sum() > 50  # the line uses the height of its panel
    assert (flat == (0x24, 0x56, 0xA6)).all(2).any(1).sum() < 20


def test_the_schema_and_the_parser_know_the_same_keys() -> None:
    known = {f.alias or name for name, f in WaveKeys.model_fields.items()}
    required = {f.alias or name for name, f in WaveKeys.model_fields.items() if f.is_required()}
    assert required | {"period"} == set(dump(parse(SIN)))  # beats need no period
    assert known == required | {"period", "phase", "width", "seed", "fall", "times"}
    assert WaveKeys.model_json_schema()["properties"]["wave"]["enum"] == [*SHAPES, "beats"]


def test_a_wave_from_a_file_and_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "wave.yaml").write_text(
        "name: wave\nprompts: [a sea]\nmodel: {kind: fake}\n"
        "motion: {mode: zoom, seconds: 1, zoom: {wave: sin, period: 50%, from: 1, to: 1.2}}\n"
    )
    for more, code, says in (
        ([], 0, ""),
        (["motion.zoom={wave: noise, period: 6, from: 1, to: 2, seed: 4}"], 0, ""),
        (["+motion_preset=spiral"], 0, ""),  # a list there, a wave here
        (["motion.x={wave: noise, period: 0.5s, from: -0.1, to: 0.1, seed: 3}"], 0, ""),
        (["motion.zoom=[[0,1],[end,2]]"], 0, ""),
        (
            ["motion.zoom.to=2"],
            2,
            "motion.zoom.to: a schedule is given as a whole (write 'motion.zoom={wave: sin, …}')",
        ),
        (["motion.zoom={wave: sin, period: 6, from: 1, to: 0}"], 2, "motion.zoom.to: 0 is out of range 0.001–10000"),
    ):
        said = sdbatch("wave.yaml", "task=plan", "plan.preview=true", *more, cwd=tmp_path)
        assert (said.returncode, says in said.stderr) == (code, True), said.stderr
    assert list(tmp_path.rglob("*.mp4"))


def test_curves_are_dumped_as_they_are_written() -> None:
    for written in ([[0, 1.0], ["end", 2.0, "ramp"]], SIN, "0:(1+t/100)"):
        assert dumped(check(Motion, ZOOM | {"zoom": written}, "motion").zoom) == written
