"""Schedules: times, easings, curves; property tests over arbitrary keyframes."""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch.motion import deforum
from sdbatch.motion.schedule import EASINGS, Clock, Key, curve, points, span

CLOCK = Clock(96, Fraction(24))
EASES = st.sampled_from(sorted(EASINGS))
MONOTONE = [name for name in EASINGS if "back" not in name]


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Clock, list[Key[float]]]:
    frames = draw(st.integers(2, 200))
    times = sorted(draw(st.sets(st.integers(0, frames - 1), min_size=1, max_size=6)))
    values = st.floats(0.01, 100)
    return Clock(frames, Fraction(24)), [Key(t, draw(values), draw(EASES)) for t in times]


@given(schedules(), st.booleans())
def test_a_curve_goes_through_its_keyframes_and_holds_beyond(made: tuple[Clock, list[Key[float]]], log: bool) -> None:
    clock, keys = made
    values = curve(keys, clock, log=log)
    assert len(values) == clock.frames
    for key in keys:
        assert values[int(key.time)] == pytest.approx(key.value, rel=1e-9)
    assert all(v == values[0] for v in values[: int(keys[0].time)])
    assert all(v == values[-1] for v in values[int(keys[-1].time) :])


@given(schedules())
def test_without_an_overshoot_a_curve_stays_between_its_keyframes(made: tuple[Clock, list[Key[float]]]) -> None:
    clock, keys = made
    calm = [Key(k.time, k.value, k.ease if k.ease in MONOTONE else "linear") for k in keys]
    values = [k.value for k in calm]
    assert all(min(values) - 1e-9 <= v <= max(values) + 1e-9 for v in curve(calm, clock))


@given(schedules(), st.integers(2, 5))
def test_shares_of_the_video_do_not_know_its_frame_rate(made: tuple[Clock, list[Key[float]]], more: int) -> None:
    clock, keys = made
    last = clock.end
    shares = [Key(f"{100 * int(k.time) / last:.6f}%", k.value, k.ease) for k in keys if k.ease != "hold"]
    if not shares:
        return
    fine = Clock(last * more + 1, clock.fps * more)
    for a, b in zip(curve(shares, clock), curve(shares, fine)[::more], strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("name", EASINGS)
def test_easings_begin_at_0_and_end_at_1(name: str) -> None:
    ease = EASINGS[name]
    assert ease(0.0) == pytest.approx(0)
    assert ease(1.0) == pytest.approx(1)
    if name in MONOTONE:
        steps = [ease(i / 1000) for i in range(1001)]
        assert all(b >= a for a, b in pairwise(steps))


@pytest.mark.parametrize("name", [n for n in EASINGS if n.startswith("in_out")] + ["ramp", "linear"])
def test_easings_with_two_ends_are_symmetrical(name: str) -> None:
    assert all(EASINGS[name](t / 50) + EASINGS[name](1 - t / 50) == pytest.approx(1) for t in range(51))


def test_a_ramp_has_one_speed_between_its_soft_ends() -> None:
    speed = [EASINGS["ramp"]((i + 1) / 1000) - EASINGS["ramp"](i / 1000) for i in range(1000)]
    assert max(speed[150:850]) - min(speed[150:850]) < 1e-12
    assert speed[0] < speed[499] / 50


def test_zoom_in_log_space_has_one_perceived_speed() -> None:
    values = curve([Key(0, 1.0), Key("end", 8.0)], CLOCK, log=True)
    ratios = [b / a for a, b in pairwise(values)]
    assert max(ratios) - min(ratios) < 1e-12
    assert values[-1] == pytest.approx(8)


@pytest.mark.parametrize(
    ("time", "frame"),
    [(0, 0), ("24", 24), (24.5, 24.5), ("1.5s", 36), ("50%", 47.5), ("end", 95), ("4s", 95), ("100%", 95), (95, 95)],
)
def test_times(time: str | float, frame: float) -> None:
    assert CLOCK.frame(time) == frame


@pytest.mark.parametrize("time", ["1,5s", "50 %", "later", "", "-1", "1e3", True, None, "٣"])
def test_invalid_times(time: object) -> None:
    if time == "٣":  # Arabic digits are digits to Python; they must not end up somewhere else
        assert CLOCK.frame(str(time)) == 3
        return
    with pytest.raises(ValueError, match="is not a time; write a frame"):
        CLOCK.frame(time)  # type: ignore[arg-type]


@pytest.mark.parametrize("time", [96, "4.1s", "101%"])
def test_times_beyond_the_end(time: str | int) -> None:
    with pytest.raises(ValueError, match=r"beyond the end \(frame 95, 4s\)"):
        CLOCK.frame(time)


@pytest.mark.parametrize("times", [(10, 5), (10, 10), ("50%", 47), ("end", 95), ("1s", "24")])
def test_times_must_rise(times: tuple[str | int, str | int]) -> None:
    with pytest.raises(ValueError, match="times must increase"):
        points([Key(t, 1.0) for t in times], CLOCK)


def test_the_way_between_words() -> None:
    placed = points([Key(0, "a"), Key("50%", "b", "hold"), Key("end", "c")], Clock(5, Fraction(1)))
    assert [span(placed, f) for f in range(5)] == [(0, 1, 0.0), (0, 1, 0.0), (1, 2, 0.0), (1, 2, 0.5), (2, 2, 0.0)]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("0:(1.0), 30:(1.05)", [(0, 1.0), (30, 1.05)]),
        ("0: (0.65)", [(0, 0.65)]),
        ("0:(1),\n 30:(-2.5e-1) ,60:(.5),", [(0, 1), (30, -0.25), (60, 0.5)]),
        ('"0":(1), 12:((2))', [(0, 1), (12, 2)]),
        ("0:1, 9:2", [(0, 1), (9, 2)]),
    ],
)
def test_deforum_strings(text: str, keys: list[tuple[int, float]]) -> None:
    assert [(k.time, k.value) for k in deforum.parse(text)] == keys


@pytest.mark.parametrize("text", ["", "(1)", "0:(1) 30:(2)", "a:(1)", "-3:(1)", "0:(1, 2)", "0:(((", "1:(1)):"])
def test_invalid_deforum_strings(text: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|expression|frame number|unknown"):
        deforum.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_keyframes_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert all(math.isfinite(k.value) for k in deforum.parse(text))
