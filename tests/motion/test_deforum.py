"""Expressions in Deforum's schedules: their values against Python's own, and what is refused, with its place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from math import cos, pi, sin, tan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch import motion
from sdbatch.motion import deforum
from sdbatch.motion.deforum import Formula
from sdbatch.motion.expression import DEPTH, evaluate, parse
from sdbatch.motion.schedule import Clock, curve
from sdbatch.plan import parse as reader
from tests.motion.videos import video

CLOCK = Clock(96, Fraction(24))
REAL: list[tuple[str, Callable[[float, float], float]]] = [  # from notebooks and guides
    ("1.02+0.02*sin(2*3.14*t/20)", lambda t, _: 1.02 + 0.02 * sin(2 * 3.14 * t / 20)),
    ("0.65+0.05*cos(pi*t/max_f)", lambda t, max_f: 0.65 + 0.05 * cos(pi * t / max_f)),
    ("-1*(1.5+cos(2*pi*t/48))", lambda t, _: -(1.5 + cos(2 * pi * t / 48))),
    ("abs(sin(t*0.1))*3", lambda t, _: abs(sin(t * 0.1)) * 3),
    ("max(0, min(1, t/24))", lambda t, _: max(0, min(1, t / 24))),
    ("(t%20)/20", lambda t, _: (t % 20) / 20),
    ("tan(t/1000)-.5e-1", lambda t, _: tan(t / 1000) - 0.05),
    ("2 - -t + +3*-(4)", lambda t, _: 2 + t - 12),
    ("1/2/4*8-3-2", lambda _, __: -4),
    ("max_f/2", lambda _, max_f: max_f / 2),
]


@pytest.mark.parametrize(("text", "function"), REAL, ids=[text for text, _ in REAL])
def test_values_are_those_of_arithmetic(text: str, function: Callable[[float, float], float]) -> None:
    tree = parse(text)
    for t in (0, 1, 7, 24, 95):
        assert evaluate(tree, t, 95) == pytest.approx(function(t, 95))


Valued = tuple[str, float]  # an expression, and its value at frame 7 of 95
ATOMS: list[Valued] = [("t", 7), ("max_f", 95), ("pi", pi), ("2", 2), ("0.5", 0.5)]


def larger(inner: st.SearchStrategy[Valued]) -> st.SearchStrategy[Valued]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda p: (f"({p[0][0]} + {p[1][0]})", p[0][1] + p[1][1])),
        pairs.map(lambda p: (f"({p[0][0]}) - ({p[1][0]})", p[0][1] - p[1][1])),
        pairs.map(lambda p: (f"({p[0][0]})*({p[1][0]})", p[0][1] * p[1][1])),
        pairs.map(lambda p: (f"min({p[0][0]},{p[1][0]})", min(p[0][1], p[1][1]))),
        inner.map(lambda a: (f"-({a[0]})", -a[1])),
        inner.map(lambda a: (f"abs({a[0]})", abs(a[1]))),
    )


@given(st.recursive(st.sampled_from(ATOMS), larger, max_leaves=12))
def test_any_expression_has_the_value_of_arithmetic(case: Valued) -> None:
    assert evaluate(parse(case[0]), 7, 95) == pytest.approx(case[1])


def test_the_remainder_has_the_sign_of_its_left_side() -> None:
    assert evaluate(parse("(t-10)%7"), 0, 1) == -3  # as in C, and so in numexpr


def values(text: str, log: bool = False) -> list[float]:
    found = deforum.parse(text)
    return curve(found.keyframes(CLOCK) if isinstance(found, Formula) else found, CLOCK, log=log)


def test_an_expression_holds_until_the_next_entry_and_numbers_are_interpolated() -> None:
    found = values("0:(1), 10:(t*2), 20:(4), 30:(6), 40:(max_f)")
    assert found[:11] == pytest.approx([1 + 1.9 * i for i in range(11)])  # to the first value of the expression
    assert found[10:20] == [2 * t for t in range(10, 20)]
    assert found[20:31] == pytest.approx([4 + 0.2 * i for i in range(11)])
    assert found[35] == pytest.approx((6 + 95) / 2)
    assert set(found[40:]) == {95}
    assert values("5:(t)")[:6] == [5] * 6  # constant before the first entry


def test_numbers_alone_stay_keyframes() -> None:
    assert isinstance(deforum.parse("0:(1.0), 30:((-2))"), tuple)
    assert isinstance(deforum.parse("0:(1.0), 30:(t)"), Formula)


REFUSED = [
    (
        "0:(1.02), 30:(where(t<5,1,2))",
        r"unknown 'where' in column 15; allowed: numbers, t, max_f, pi, \+ - \* / %, par",
    ),
    ("0:(sni(t))", "unknown 'sni' in column 4; allowed: .*; did you mean 'sin'"),
    ("0:(t**2)", r"unknown '\*\*' in column 5"),
    ("0:(t^2)", r"unknown '\^' in column 5"),
    ("0:(t<5)", "unknown '<' in column 5"),
    ("0:(t if t else 1)", "unknown 'if' in column 6"),
    ("0:(__import__('os'))", "unknown '__import__' in column 4"),
    ("0:(t.real)", r"unknown '\.' in column 5"),
    ("0:(2t)", "'t' is not expected in column 5"),
    ("0:(1 2)", "'2' is not expected in column 6"),
    ("0:(1,2)", "',' is not expected in column 5"),
    ("0:(*2)", r"'\*' is not expected in column 4"),
    ("0:(sin)", r"'\)' is not expected in column 7"),
    ("0:(sin t)", "'t' is not expected in column 8"),
    ("0:()", r"'\)' is not expected in column 4"),
    ("0:", "ends too early in column 3"),
    ("0:((t)", "ends too early in column 7"),
    ("0:(t))", r"'\)' is not expected in column 6"),
    ("0:(1+)", r"'\)' is not expected in column 6"),
    ("0:(min(t))", "min in column 4 takes two or more values, not 1"),
    ("0:(cos(t, 1))", "cos in column 4 takes one value, not 2"),
    ("0:(" + "(" * 9000 + "t", "the expression is too long"),
    ("0:(" + "t+" * 4000 + "1)", "the expression is too long"),
    ("0:(" + "abs(" * 2000 + "t", "the expression is too long"),
    ("0:(" + "1" * 10_000 + ")", "is longer than 10000"),
    ("0:(t), t:(1)", "'t' is not a frame number"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED, ids=lambda v: v[:24])
def test_everything_else_is_refused_by_name_and_place(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        deforum.parse(text)


@pytest.mark.parametrize("text", ["1/(t-3)", "t%0", "tan(1e300*1e300)", "1e308*t*10"])
def test_an_expression_without_a_value_names_the_frame(text: str) -> None:
    with pytest.raises(ValueError, match="no finite value at frame 3"):
        evaluate(parse(text), 3, 9)


@given(st.text("0123456789.+-*/%(), tmax_fpisn:", max_size=40))
def test_any_text_is_a_tree_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        deforum.parse(text)
    with suppress(ValueError):
        evaluate(parse(text), 3, 9)


def test_as_many_operators_as_allowed_are_evaluated() -> None:
    assert evaluate(parse("t" + "+t" * (DEPTH - 1)), 1, 9) == DEPTH
    assert evaluate(parse("(" * (DEPTH - 1) + "t" + ")" * (DEPTH - 1)), 1, 9) == 1


def test_a_video_with_an_expression_comes_back_from_its_metadata() -> None:
    text = "0:(1+0.5*abs(sin(pi*t/max_f))), 6:(1.5)"
    job = video("feedback", zoom=text, strength="0:(0.3+t/100)")
    data = motion.job_spec(job) | {"id": job.id}
    assert data["motion"]["zoom"] == text
    assert reader.job(data).video == job.video
    assert video("feedback", zoom="0:(1), 8:(1.5)").id == video("feedback", zoom=[[0, 1], [8, 1.5]]).id
