"""What a text expands to: axes, combinations, weights, draws, wildcards; and what is refused, with its place."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch.prompts.draws import Values
from sdbatch.prompts.expansion import DEPTH, escaped, variants, weighted
from sdbatch.prompts.place import PromptError


class Files:
    """Wildcards without files."""

    def __init__(self, **names: list[str]) -> None:
        self._names = {name.replace("_", "/"): lines for name, lines in names.items()}

    def values(self, name: str) -> Values:
        if name not in self._names:
            raise ValueError(f"{name} is unknown")
        return weighted(self._names[name])


FILES = Files(
    colour=["red", "3::green", "{deep|pale} blue"],
    thing=["__colour__ boat", "hill"],
    a=["x __b__"],
    b=["__a__"],
    off=["0::x"],
    bad=["fine", "{2$$x}"],
    **{f"deep{i}": [f"__deep{i + 1}__"] for i in range(DEPTH + 1)},
)


def one(text: str, key: str = "k") -> str:
    (found,) = variants(text, FILES, key)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("", [""]),
        ("a {b|c} {d|e}", ["a b d", "a b e", "a c d", "a c e"]),
        ("{a|{b|c} d}", ["a", "b d", "c d"]),
        ("{|very }big", ["big", "very big"]),
        ("{x} {a {b|c}}", ["{x} {a b}", "{x} {a c}"]),
        (r"\{a\|b\} {c\|d|e}", ["{a|b} c|d", "{a|b} e"]),
        ("{a|b", ["{a|b"]),
        ("a|b}", ["a|b}"]),
        ("{a|a}", ["a"]),
        (r"keeps \(other\) \ escapes", [r"keeps \(other\) \ escapes"]),
    ],
)
def test_variants(text: str, expected: list[str]) -> None:
    assert variants(text) == expected


def test_too_many_variants_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 10,000 variants"):
        variants("{a|b}" * 14)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{2$$a|b|c}", ["a, b", "a, c", "b, c"]),
        ("{2$$ and $$a|b|c} x", ["a and b x", "a and c x", "b and c x"]),
        ("{1-2$$+$$a|b|c}", ["a", "b", "c", "a+b", "a+c", "b+c"]),
        ("{-2$$a|b}", ["a", "b", "a, b"]),
        ("{2-$$a|b|c}", ["a, b", "a, c", "b, c", "a, b, c"]),
        ("{0-1$$a|b}", ["", "a", "b"]),
        ("{2$$a|{b|c}}", ["a, b", "a, c"]),
        ("{2$$ $$__colour__}", ["red green", "red deep blue", "red pale blue", "green deep blue", "green pale blue"]),
        ("{0.5::a|.5 :: b|3.::c}", ["a", " b", "c"]),
        ("{0::a|b}", ["b"]),
        ("{0.5::a}", ["{0.5::a}"]),
        ("__colour__", ["red", "green", "deep blue", "pale blue"]),
        ("__thing__!", ["red boat!", "green boat!", "deep blue boat!", "pale blue boat!", "hill!"]),
        ("{__colour__|grey}", ["red", "green", "deep blue", "pale blue", "grey"]),
        (r"\__colour__ snake_case __ ___ a__b", ["__colour__ snake_case __ ___ a__b"]),
        ("{[a|b]|c} [d|e]", ["[a|b] [d|e]", "c [d|e]"]),
        ("{[a|b}", ["[a", "b"]),
        ("{a|b]}", ["a", "b]"]),
    ],
)
def test_combinations_weights_and_wildcards(text: str, expected: list[str]) -> None:
    assert variants(text, FILES) == expected


@pytest.mark.parametrize("text", ["{~a|b|c}", "{~2$$a|b|c}", "{~__thing__}", "__~thing__", "{~{a|b}|__thing__}"])
def test_a_draw_is_one_text_and_always_the_same(text: str) -> None:
    assert one(text) == one(text)
    assert len({one(text, str(key)) for key in range(50)}) > 2


def test_a_draw_depends_on_its_place_and_not_on_the_axes_beside_it() -> None:
    assert len(set(one(" ".join(["{~a|b|c|d|e|f}"] * 8)).split())) > 2
    red, green = variants("{red|green} {~day|night} {~a|b|c|d|e}", key="k")
    assert red.removeprefix("red") == green.removeprefix("green")


def test_draws_follow_the_weights() -> None:
    found = Counter(one("{~0.5::a|1.5::b|0::c}", str(key)) for key in range(2000))
    assert set(found) == {"a", "b"}
    assert 400 < found["a"] < 600
    found = Counter(one("__~colour__", str(key)).split()[-1] for key in range(2000))
    assert 1100 < found["green"] < 1300
    pairs = Counter(one("{~2$$8::a|b|c|0::d}", str(key)) for key in range(500))
    assert not any("d" in pair for pair in pairs)
    assert pairs["a, b"] > pairs["b, a"] > 0


def test_drawn_numbers_are_pinned() -> None:
    """Another number would give every drawn prompt another picture under the same experiment."""
    assert one("{~a|b|c|d|e|f|g|h} __~thing__ {~1-3$$a|b|c|d}", "0") == "a green boat c, b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {4$$b|c|d}", 'column 3, "a <here>{4$$b|c|d}": asks for 4 of 3 alternatives'),
        ("{1-4$$b|c}", "asks for 4 of 2 alternatives"),
        ("{2-1$$b|c}", "the range 2-1 is empty"),
        ("{2$$b}", "asks for 2 of 1 alternative"),
        ("{$$b|c}", "a number is missing before $$"),
        ("{-1::b|c}", "the weight -1 is negative"),
        ("{0::b|0::c}", "every weight is 0"),
        ("a\nb __nope__", 'column 5, "a b <here>__nope__": nope is unknown'),
        ("__a__", 'in __b__, column 1, "<here>__a__": wildcards refer to each'),
        ("__bad__", 'in __bad__, column 1, "<here>{2$$x}": asks for 2 of 1'),
        ("__off__", "every weight is 0"),
        ("__deep0__", "too deep: __deep0__ → __deep1__"),
        ("{a|b}" * 14, "more than 10,000 variants"),
        ("{7$$" + "|".join(map(str, range(40))) + "}", "more than 10,000 variants"),
    ],
)
def test_mistakes_have_a_place(text: str, message: str) -> None:
    with pytest.raises(PromptError) as e:
        variants(text, FILES)
    assert message in str(e.value)


def test_without_files_every_wildcard_is_unknown() -> None:
    with pytest.raises(PromptError, match="__x__ is unknown; write"):
        variants("__x__")


@given(text=st.text(alphabet="ab{}|[]\\_~$:1", max_size=30))
def test_any_text_can_be_written_so_that_it_expands_to_itself(text: str) -> None:
    assert variants(escaped(text)) == [text]


@given(text=st.text(alphabet="ab{}|[]\\~$:1 ", max_size=40), key=st.text(max_size=3))
def test_any_text_expands_or_is_refused(text: str, key: str) -> None:
    try:
        found = variants(text, key=key)
    except PromptError as e:
        found = [str(e)] * ("<here>" in str(e))
    assert found
    assert len(found) == len(set(found))
