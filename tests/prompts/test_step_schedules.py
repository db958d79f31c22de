"""What a prompt says at every step: A1111's documented grammar against tables worked out by hand, and against texts
that are made together with what they say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch.prompts.schedule import DEPTH, PARTS, by_step, changes, composed, parts, schedule

Made = tuple[str, Callable[[int, int], str]]  # a text, and what it says at a step of so many


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sea", [(10, "sea")]),
        ("sea [boat:4]", [(4, "sea "), (10, "sea boat")]),
        ("sea [boat: 4 ]", [(4, "sea "), (10, "sea boat")]),
        ("sea [boat:.4]", [(4, "sea "), (10, "sea boat")]),
        ("sea [boat::0.7] sky", [(7, "sea boat sky"), (10, "sea  sky")]),
        ("[red:blue:0.25] sea", [(2, "red sea"), (10, "blue sea")]),
        ("[red:blue:3][:, fog:6]", [(3, "red"), (6, "blue"), (10, "blue, fog")]),
        ("[a:[b:c:6]:2]", [(2, "a"), (6, "b"), (10, "c")]),
        ("[a:[b:c:2]:6]", [(6, "a"), (10, "c")]),
        ("[[a:b:2]:[c:d:8]:5]", [(2, "a"), (5, "b"), (8, "c"), (10, "d")]),
        ("[(a:1.2) x:((b)):0.5]", [(5, "(a:1.2) x"), (10, "((b))")]),
        ("([a:b:5] c:1.3)", [(5, "(a c:1.3)"), (10, "(b c:1.3)")]),
        ("[[[a]]:5]", [(5, ""), (10, "[[a]]")]),
        ("[a|b]", [(n, "ab"[(n - 1) % 2]) for n in range(1, 11)]),
        ("[a||c] x", [(n, ["a", "", "c"][(n - 1) % 3] + " x") for n in range(1, 11)]),
        ("[a|b:1.5]", [(10, "[a|b:1.5]")]),
        ("[a|(b:1.5)]", [(n, ["a", "(b:1.5)"][(n - 1) % 2]) for n in range(1, 11)]),
        ("[a|[b:c:5]]", [(n, ["a", "b" if n <= 5 else "c"][(n - 1) % 2]) for n in range(1, 11)]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-3]", [(10, "b")]),
        ("[a:b:0.04]", [(10, "b")]),
        ("[a:b:12]", [(10, "a")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a]", [(10, "[a]")]),
        ("[a:b]", [(10, "[a:b]")]),
        ("[a:b:c]", [(10, "[a:b:c]")]),
        ("[a:b:c:5]", [(10, "[a:b:c:5]")]),
        ("[a:5", [(10, "[a:5")]),
        ("a:5]", [(10, "a:5]")]),
        ("(a [b:5]", [(5, "(a "), (10, "(a b")]),
        ("[a ) b:5] [c:5]", [(5, "[a ) b:5] "), (10, "[a ) b:5] c")]),
        (r"\[a:b:5\] [\:\|:c:5]", [(5, r"\[a:b:5\] \:\|"), (10, r"\[a:b:5\] c")]),
        ("x BREAK [y BREAK z:5]", [(5, "x BREAK "), (10, "x BREAK y BREAK z")]),
    ],
)
def test_tables_of_ten_steps(text: str, expected: list[tuple[int, str]]) -> None:
    assert schedule(text, 10) == expected
    assert changes(text) == (len(expected) > 1 or expected[0][1] != text)
    assert by_step(text, 10) == tuple(next(now for end, now in expected if step <= end) for step in range(1, 11))


@pytest.mark.parametrize(
    ("when", "steps", "last"),
    [("0.5", 1, 0), ("0.5", 3, 1), ("0.35", 20, 7), ("0.29", 100, 28), (".9", 30, 27), ("7", 5, 5), ("7", 50, 7)],
)
def test_a_share_is_rounded_down_to_a_step(when: str, steps: int, last: int) -> None:
    assert by_step(f"[a:b:{when}]", steps) == ("a",) * last + ("b",) * (steps - last)


WORDS = st.sampled_from(["sea", "a boat, ", "(sky:1.2)", " ", "", "((x))", r"\(y\)", "BREAK"])


def changed(before: Made, after: Made, when: int, share: bool) -> Made:
    written = f"{when / 20:.2f}" if share else str(when)

    def says(step: int, steps: int) -> str:
        last = int(float(written) * steps) if share else when
        return (before if step <= last else after)[1](step, steps)

    return f"[{before[0]}:{after[0]}:{written}]", says


def cycled(options: list[Made]) -> Made:
    text = "[" + "|".join(text for text, _ in options) + "]"
    return text, lambda step, steps: options[(step - 1) % len(options)][1](step, steps)


def beside(pieces: list[Made]) -> Made:
    return "".join(t for t, _ in pieces), lambda step, steps: "".join(says(step, steps) for _, says in pieces)


def surrounded(inner: Made, weight: str) -> Made:
    return f"({inner[0]}{weight})", lambda step, steps: f"({inner[1](step, steps)}{weight})"


TEXTS: st.SearchStrategy[Made] = st.recursive(
    WORDS.map(lambda word: (word, lambda step, steps: word)),
    lambda inner: st.one_of(
        st.builds(changed, inner, inner, st.integers(0, 19), st.booleans()),
        st.lists(inner, min_size=2, max_size=3).map(cycled),
        st.lists(inner, max_size=3).map(beside),
        st.builds(surrounded, inner, st.sampled_from(["", ":1.3"])),
    ),
    max_leaves=12,
)


@given(made=TEXTS, steps=st.integers(1, 25))
def test_nested_texts_say_what_they_are_made_of(made: Made, steps: int) -> None:
    text, says = made
    assert by_step(text, steps) == tuple(says(step, steps) for step in range(1, steps + 1))


@given(text=st.text(alphabet="ab[]():|.5 \\", max_size=40), steps=st.integers(1, 12))
def test_any_text_has_a_table(text: str, steps: int) -> None:
    found = schedule(text, steps)
    assert [end for end, _ in found] == sorted({end for end, _ in found})
    assert found[-1][0] == steps
    assert all(a[1] != b[1] for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [(1.0, "a cat")]),
        ("a cat: 2", [(1.0, "a cat: 2")]),
        ("a cat AND a dog", [(1.0, "a cat "), (1.0, " a dog")]),
        ("a cat:1.2 AND a dog : .5 AND fog:-0.3", [(1.2, "a cat"), (0.5, " a dog "), (-0.3, " fog")]),
        ("(cat:1.2) AND [a:b:0.5]", [(1.0, "(cat:1.2) "), (1.0, " [a:b:0.5]")]),
        ("SAND AND BRAND, and ANDY", [(1.0, "SAND "), (1.0, " BRAND, and ANDY")]),
        ("x AND", [(1.0, "x "), (1.0, "")]),
        ("x\nAND\ny:2.", [(1.0, "x\n"), (2.0, "\ny")]),
        ("x:999999999 AND y:-1000", [(100.0, "x"), (-100.0, " y")]),
    ],
)
def test_parts_and_their_weights(text: str, expected: list[tuple[float, str]]) -> None:
    assert list(parts(text)) == expected
    assert composed(text) == (len(expected) > 1)


def test_parts_are_bounded_and_deep_brackets_are_text() -> None:
    assert len(parts("x AND " * 1000)) == PARTS
    deep = "[" * (DEPTH + 1) + "a" + ":1]" * (DEPTH + 1)
    assert not changes(deep)
    assert schedule(deep, 5) == [(5, deep)]
    assert by_step("[" * DEPTH + "a" + ":1]" * DEPTH, 3) == ("", "a", "a")


@pytest.mark.parametrize("text", ["[a|b]" * 20_000, "[" * 50_000, "(" * 50_000 + ")" * 50_000, "[a:" * 20_000])
def test_long_texts_end(text: str) -> None:
    assert len(by_step(text, 4)) == 4
