"""Token ids and weights of A1111's attention and chunks, worked out another way: each text is made together with the
words and weights that it means, and transformers' tokenizer gives their ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdbatch.prompts import vocabulary
from sdbatch.prompts.schedule import by_step, parts
from sdbatch.prompts.syntax import condition
from sdbatch.prompts.vocabulary import Vocabulary

CLIP = Path(vocabulary.__file__).parents[1] / "models" / "clip"
START, END = 49406, 49407
BREAK = "BREAK"
FORMS = {"({})": 1.1, "[{}]": 1 / 1.1, "({}:1.3)": 1.3, "({}: 0.5 )": 0.5, "(({}))": 1.21, "({}:-1)": -1.0}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip")
    (folder / "merges.txt").write_bytes((CLIP / "merges.txt").read_bytes())
    derived = vocabulary.derive(vocabulary._merges(CLIP / "merges.txt"))
    (folder / "vocab.json").write_text(json.dumps(derived), "utf-8")
    return CLIPTokenizer.from_pretrained(folder)


WORD = st.sampled_from(["torii", "gate,", "sea", "猫", "blue-grey", r"\(a\)", "3d", "it's", "wallpaper", r"x\[0\]"])
NODE = st.recursive(
    WORD | st.just(BREAK),
    lambda inner: st.tuples(st.sampled_from(sorted(FORMS)), st.lists(inner, min_size=1, max_size=4)),
    max_leaves=30,
)


def written(node: Any) -> str:
    return node if isinstance(node, str) else node[0].format(" ".join(map(written, node[1])))


def meant(node: Any, factors: tuple[float, ...] = ()) -> Iterator[tuple[str, float]]:
    """(word without escapes, weight)."""
    if isinstance(node, str):
        yield node.replace("\\", ""), prod(factors)
        return
    for inner in node[1]:
        yield from meant(inner, (*factors, FORMS[node[0]]))


def chunked(words: list[tuple[str, float]], tokenizer: Any, size: int) -> list[list[tuple[int, float]]]:
    """Start, at most ``size`` tokens, end; BREAK begins another chunk."""

    @cache
    def ids(word: str) -> list[int]:
        return list(tokenizer(word, add_special_tokens=False).input_ids)

    found: list[list[tuple[int, float]]] = [[]]
    for word, weight in words:
        if word == BREAK:
            found.append([])
            continue
        for token in ids(word):
            if len(found[-1]) == size:
                found.append([])
            found[-1].append((token, weight))
    return [[(START, 1.0), *chunk, *[(END, 1.0)] * (size + 1 - len(chunk))] for chunk in found]


@settings(max_examples=150, deadline=None)
@given(nodes=st.lists(NODE, min_size=1, max_size=40), size=st.sampled_from([75, 10]))
def test_ids_weights_and_chunks(tokenizer: Any, nodes: list[Any], size: int) -> None:
    words = [pair for node in nodes for pair in meant(node)]
    found = condition(" ".join(map(written, nodes)), Vocabulary.load(CLIP), size)
    expected = chunked(words, tokenizer, size)
    assert [list(ids) for ids in found.ids] == [[token for token, _ in chunk] for chunk in expected]
    for weights, chunk in zip(found.weights, expected, strict=True):
        assert list(weights) == pytest.approx([weight for _, weight in chunk])


def test_everything_together() -> None:
    """A prompt as people share it: parts, editing in attention, BREAK. Ids by hand, from the vocabulary's file."""
    text = "a [cat:(dog:1.3):0.5] BREAK (red:1.2):0.7 AND [sea|sky]"
    (first, one), (second, other) = parts(text)
    assert (first, second) == (0.7, 1.0)
    clip = Vocabulary.load(CLIP)
    early, late = (condition(shown, clip, 75) for shown in (by_step(one, 4)[0], by_step(one, 4)[3]))
    assert [ids[:4] for ids in early.ids] == [(START, 320, 2368, END), (START, 736, END, END)]
    assert [ids[:4] for ids in late.ids] == [(START, 320, 1929, END), (START, 736, END, END)]
    assert late.weights[0][:4] == (1.0, 1.0, 1.3, 1.0)
    assert late.weights[1][:3] == (1.0, 1.2, 1.0)
    assert [condition(shown, clip, 75).ids[0][1] for shown in by_step(other, 4)] == [2102, 2390, 2102, 2390]
