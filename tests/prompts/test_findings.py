"""Warnings about texts: what looks like a mistake is named with its place, and what is meant is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch.prompts.findings import MOST, findings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a <lora:ink:0.5", 'column 3, "a <here><lora:ink:0.5": this < is not closed'),
        ("<lora:ink:0.5 a <lora:b>", "this < is not closed"),
        ("a {red|green sea", 'column 3, "a <here>{red|green sea": this { is not closed'),
        ("((sea", 'column 2, "(<here>(sea": this ( is not closed'),
        ("((sea)", 'column 1, "<here>((sea)": this ( is not closed'),
        ("[cat:dog:0.5", "this [ is not closed"),
        ("(a [b) c", 'column 4, "(a <here>[b) c": this [ is not closed'),
        ("sea)", 'column 4, "sea<here>)": this ) has no ( before it'),
        ("a|b}", "this } has no { before it"),
        ("(sea:abc)", "column 6, \"(sea:<here>abc)\": 'abc' is not a weight; for example write (sea:1.2)"),
        ("(sea:1,2)", "'1,2' is not a weight"),
        ("(sea:)", "'' is not a weight"),
        ("()", "the brackets are empty"),
        ("{a||b}", "an alternative between two bars is empty"),
        ("[a||b]", "an alternative between two bars is empty"),
        ("{|}", "every alternative is empty"),
        ("[ | ]", "every alternative is empty"),
        ("[a:b:half]", "'half' is neither a step nor a share"),
        ("[a:b:0]", "changes before the first step (0)"),
        ("[a:b:1.5]", "the text never changes"),
        ("{two$$a|b}", "'two' before $$ is not a number"),
        ("{@a|b}", "only ~ (a random choice) is known"),
        ("x __!sky__", 'column 3, "x <here>__!sky__": only ~'),
        ("${sky=blue} a", "variables ${…} of dynamic-prompts are not known"),
    ],
)
def test_what_looks_wrong_is_named(text: str, message: str) -> None:
    assert any(message in found for found in findings(text)), findings(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat AND", 'column 7, "cat AN<here>D": this part of AND is empty'),
        ("AND cat", "this part of AND is empty"),
        ("(cat AND dog)", "AND divides the whole prompt, also between brackets"),
        ("a" + " AND b" * 16, "only 16 parts are possible"),
    ],
)
def test_mistakes_in_parts_are_named(text: str, message: str) -> None:
    assert any(message in found for found in findings(text)), findings(text)


@pytest.mark.parametrize("text", ["{a|b}", "__sky__", "cat AND dog", "{~a}"])
def test_negative_prompts_have_less_syntax(text: str) -> None:
    assert len(findings(text, negative=True)) == 1
    assert findings(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "a (red:1.2) [sea], ((sky)), {a|b} {|very }big, {2$$ and $$a|b|c}, {~0.5::a|b}, {~-2$$a|b}, __sky__",
        "[a:b:0.4] [b:5] [a::.5] [a|b] [fe|]male BREAK cats AND dogs:0.5",
        r"\(x\] \{y, time 12:30, (left: a cat)",
        "[(a:1.2):[b|c]:0.4] ([a:b:0.5]:1.3)",
        "",
    ],
)
def test_what_is_meant_is_not_named(text: str) -> None:
    assert findings(text) == ()


@given(text=st.text(alphabet="ab(){}|[]\\_~$:1. ", max_size=60))
def test_any_text_has_few_findings(text: str) -> None:
    assert len(findings(text)) <= MOST


@pytest.mark.parametrize("text", ["(" * 50_000 + "]" * 50_000, "(" * 50_000 + ")" * 50_000, "([{" * 30_000 + ")"])
def test_long_texts_are_read_once(text: str) -> None:
    assert len(findings(text)) == MOST or text.endswith("))")
