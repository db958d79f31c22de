"""Prompt text: attention, chunks; and CLIP's vocabulary against transformers' own tokenizer."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdbatch.errors import ConfigError
from sdbatch.prompts import vocabulary
from sdbatch.prompts.expansion import variants
from sdbatch.prompts.syntax import attention, chunks, condition, cuts
from sdbatch.prompts.vocabulary import Vocabulary

CLIP = Path(vocabulary.__file__).parents[1] / "models" / "clip"
ODD = [
    "it's don't we'll I'M THEY'RE",
    "  a\t\n b  ",
    "🐱‍👤👩‍👩‍👧 flag 🇩🇪",
    "Ångström İstanbul ǅ ß",
    "<|startoftext|> hi <|endoftext|>",
    "<|StartOfText|>x",
    "a...b!!! --- (((x)))",
    "1234 5,678.9 ½ ²",
    "\u200b\u00a0\u3000x\ufeff",
    "",
    "日本語 中文 한국어",
    "''re 's't",
    "\x00\x01",
    "x" * 500,
]


@pytest.fixture(scope="module")
def clip() -> Vocabulary:
    return Vocabulary.load(CLIP)


def test_known_ids(clip: Vocabulary) -> None:
    assert clip.encode("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert (clip.size, clip.start, clip.end) == (49408, 49406, 49407)
    assert Vocabulary.load(CLIP) is clip


def test_ids_equal_transformers(clip: Vocabulary, tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    (tmp_path / "merges.txt").write_bytes((CLIP / "merges.txt").read_bytes())
    (tmp_path / "vocab.json").write_text(
        json.dumps(vocabulary.derive(vocabulary._merges(CLIP / "merges.txt"))), "utf-8"
    )
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    assert Vocabulary.load(tmp_path).encode("a cat") == clip.encode("a cat")
    rng = random.Random(0)
    pool = "".join(ODD) + "".join(map(chr, range(0x20, 0x530)))
    for text in [*ODD, *("".join(rng.choices(pool, k=rng.randrange(40))) for _ in range(300))]:
        assert clip.encode(text) == theirs(text, add_special_tokens=False).input_ids, text


def test_pieces_and_unknown_words(clip: Vocabulary) -> None:
    assert clip.pieces("torii gate") == ["tor", "ii</w>", "gate</w>"]
    assert clip.unknown("Torii gate, zxqv, torii 3d it's") == ["torii", "zxqv"]
    assert clip.decode(clip.encode("A Photo, of déjà vu 猫")) == "a photo , of déjà vu 猫"
    assert clip.encode("\ud800 x") == clip.encode("? x")


def test_a_broken_vocabulary_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"merges.txt"):
        Vocabulary.load(tmp_path)
    (tmp_path / "merges.txt").write_text("one two three\n")
    with pytest.raises(ConfigError, match="not a pair"):
        Vocabulary.load(tmp_path / ".")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("((a)) [b]", [("a", 1.21), (" ", 1.0), ("b", 1 / 1.1)]),
        ("(a:1.5) (b:.5) (c: -1 )", [("a", 1.5), (" ", 1.0), ("b", 0.5), (" ", 1.0), ("c", -1.0)]),
        ("(a (b:2) c)", [("a ", 1.1), ("b", 2.2), (" c", 1.1)]),
        (r"\(a\) \[b\] \\", [("(a) [b] \\", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("un)balanced]", [("un)balanced]", 1.0)]),
        ("[a:1.2]", [("a:1.2", 1 / 1.1)]),
        ("time 12:30, a:1.2)", [("time 12:30, a:1.2)", 1.0)]),
        ("(a)(b)", [("ab", 1.1)]),
        ("x BREAK (y)", [("x", 1.0), ("BREAK", -1.0), ("y", 1.1)]),
        ("BREAKFAST", [("BREAKFAST", 1.0)]),
        ("", []),
    ],
)
def test_attention(text: str, expected: list[tuple[str, float]]) -> None:
    found = attention(text)
    assert [run for run, _ in found] == [run for run, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


def test_short_and_empty_texts_are_one_chunk(clip: Vocabulary) -> None:
    found = condition("a (cat:1.5)", clip, 75)
    assert found.ids == ((49406, 320, 2368, *[49407] * 74),)
    assert found.weights == ((1.0, 1.0, 1.5, *[1.0] * 74),)
    assert (len(found), found.tokens, found.cuts) == (1, 2, ())
    assert condition("", clip, 75).ids == ((49406, *[49407] * 76),)


def test_long_texts_are_cut_and_the_cut_is_shown(clip: Vocabulary) -> None:
    text = " ".join(["cat"] * 74 + ["red", "boat", "sea"])
    found = condition(text, clip, 75)
    assert [len(c) for c in found.ids] == [77, 77]
    assert found.cuts == ("…cat cat cat cat cat red | boat sea…",) == cuts(text, clip, 75)
    assert chunks(text, clip, 75) == 2
    assert chunks(text, clip, 30) == 3
    assert chunks("cat " * 75, clip, 75) == 1
    assert cuts("cat BREAK dog", clip, 75) == ()
    assert chunks("cat BREAK dog", clip, 75) == 2


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=300))
def test_nothing_is_dropped(text: str) -> None:
    """All tokens of all runs are in the chunks, in order."""
    clip = Vocabulary.load(CLIP)
    found = condition(text, clip, 10)
    want = [i for run, weight in attention(text) if weight != -1.0 for i in clip.encode(run)]
    kept = [i for ids, weights in zip(found.ids, found.weights, strict=True) for i in ids[1:-1]]
    assert found.tokens == len(want)
    assert [i for i in kept if i != clip.end] == [i for i in want if i != clip.end]
    assert all(len(ids) == 12 for ids in found.ids)


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "{a" * 5_000 + "}" * 5_000, "(a" * 5_000, "ж" * 10_000, "BREAK " * 1_600]
)
def test_ten_thousand_characters_are_data(clip: Vocabulary, text: str) -> None:
    start = time.process_time()
    assert all(len(condition(t, clip, 75)) >= 1 for t in variants(text))
    assert time.process_time() - start < 2
    assert all(abs(w) <= 100 for c in condition(text, clip, 75).weights for w in c)
