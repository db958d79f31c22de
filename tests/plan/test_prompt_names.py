"""Names of prompts: their words, and where long ones differ."""

from __future__ import annotations

import pytest

from sdbatch.plan.prompt_names import LONGEST, names, told_apart, words


@pytest.mark.parametrize(
    ("label", "prompt", "found"),
    [
        ("a-torii", "a torii", "a torii"),
        ("prompt", "桜 海", "桜 海"),
        ("prompt-2", "猫", "猫"),
        ("gate", "a torii", ""),
        ("a-torii-at-sea", "a torii", ""),
    ],
)
def test_words_of_automatic_labels(label, prompt, found):
    assert words(label, [prompt]) == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["a torii", "a hill"], ["a torii", "a hill"]),
        (["anime scene, red torii", "anime scene, green torii"], ["… red torii", "… green torii"]),
        (["anime scene, sea", "anime scene, sea, night"], ["… sea", "… sea, night"]),
        (["anime scene at sea", "anime scene at sea at night"], ["… sea", "… sea at night"]),
        (["anime scene, sea", "anime scene, sea"], ["anime scene, sea"] * 2),
        (["anime scene, sea", "photo, sea"], ["anime scene, sea", "photo, sea"]),
        (["oneverylongwordwithoutspaces1", "oneverylongwordwithoutspaces2"], None),
    ],
)
def test_what_differs_is_not_cut_off(given, found):
    assert list(told_apart(dict(enumerate(given))).values()) == (found or given)


def test_long_names_that_differ_at_their_ends():
    same = "anime scene, " + "sea, " * 40
    found = told_apart({0: f"{same}red torii", 1: f"{same}green torii"})
    assert found == {0: "… red torii", 1: "… green torii"}
    assert len(told_apart({0: same})[0]) == LONGEST + 1


@pytest.mark.parametrize(
    ("label", "texts", "found"),
    [
        ("a-red-sea", ["a red sea, film grain", "a night photo of a red sea, stars"], "a red sea"),
        ("a-red-sea", ["a red sea", "(a red sea:1.2), best", "photo of a red sea, best"], "a red sea"),
        ("a-red-sea-2", ["a red sea, best", "photo of a red sea, best"], "a red sea"),
        ("prompt", ["桜 海", "photo of 桜 海, grain"], "桜 海"),
        (
            "anime-scene-with-a-red",
            ["anime scene with a red torii at dawn, grain", "old anime scene with a red torii at dawn, stars"],
            "anime scene with a red torii at dawn",
        ),
        ("gate", ["a torii, grain", "a torii, stars"], ""),
    ],
)
def test_the_name_of_several_texts_is_what_they_share(label, texts, found):
    assert words(label, texts) == found
    assert words(label, reversed(texts)) == found


def test_names_of_labels():
    assert names({"a-sea": ["a sea"], "gate": ["a torii"]}) == {"a-sea": "a sea"}
