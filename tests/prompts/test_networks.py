"""LoRAs in prompts are written and read as in A1111."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch.prompts.networks import Tag, extract, write
from sdbatch.prompts.place import PromptError


@pytest.mark.parametrize(
    ("text", "plain", "tags"),
    [
        ("a torii gate", "a torii gate", []),
        ("a torii <lora:ink:0.8>", "a torii", [Tag("ink", 0.8, 0.8)]),
        ("a <lora:ink:0.8>, sunset", "a, sunset", [Tag("ink", 0.8, 0.8)]),
        ("<lora:ink> a torii", "a torii", [Tag("ink", 1, 1)]),
        ("a <lora:ink:0.5:0.8>", "a", [Tag("ink", 0.8, 0.5)]),  # the text encoder's first
        ("a <lora:ink:te=0.5:unet=-1>", "a", [Tag("ink", -1, 0.5)]),
        ("a <lora:ink:unet=2>", "a", [Tag("ink", 2, 1)]),
        ("a <lyco:x/ink v2:1><lora:b:.5> b", "a b", [Tag("x/ink v2", 1, 1), Tag("b", 0.5, 0.5)]),
        ("<lora:ink:1>", "", [Tag("ink", 1, 1)]),
        ("a <b> <hypernet:x:1>", "a <b> <hypernet:x:1>", []),
        ("[<lora:ink:1>cat:dog:0.5]", "[cat:dog:0.5]", [Tag("ink", 1, 1)]),
    ],
)
def test_what_is_taken_out(text, plain, tags):
    assert extract(text) == (plain, tuple(tags))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a <lora:ink:much>", "'much' is not a weight"),
        ("a <lora:ink:nan>", "'nan' is not a weight"),
        ("a <lora:ink:dyn=8>", "'dyn=8' is not known in a LoRA"),
        ("a <lora:ink:1:1:8>", "'8' is not known in a LoRA"),
        ("a <lora::1>", "this LoRA has no name"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text, said):
    with pytest.raises(PromptError, match=said) as caught:
        extract(text)
    assert str(caught.value).startswith("column ")


@given(
    st.text("abc_- 1", min_size=1).filter(lambda t: t == t.strip()),
    *[st.floats(-10, 10).map(lambda f: round(f, 3))] * 2,
)
def test_what_is_written_is_read_again(name, unet, text):
    tag = Tag(name, unet, text)
    assert extract(f"a sea {write(tag)}") == ("a sea", (tag,))
