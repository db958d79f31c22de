"""Embeddings: A1111 weights, chunks side by side, kept within bounds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from sdbatch.engine import text
from sdbatch.prompts.syntax import condition
from sdbatch.prompts.vocabulary import Vocabulary
from tests.engine.models import CLIP, shot


@pytest.fixture
def texts(opened: Any) -> Any:
    same = opened.main.texts
    return text.Texts(same._encoder, same._vocabulary, same._chunk, same._device, same._stats)


def test_weights_multiply_and_the_mean_is_restored(texts: Any) -> None:
    plain, weighted = texts.embedding("a red boat"), texts.embedding("a (red:1.5) [boat]")
    w = torch.tensor(condition("a (red:1.5) [boat]", Vocabulary.load(CLIP), 75).weights[0])
    assert w[:5].tolist() == pytest.approx([1, 1, 1.5, 1 / 1.1, 1])
    want = plain * w[:, None]
    want = want * (plain.mean() / want.mean())
    assert torch.allclose(weighted, want, atol=1e-6)
    assert not torch.allclose(weighted, plain, atol=1e-3)


def test_the_mean_is_restored_where_it_is_far_from_zero(texts: Any) -> None:
    """As CLIP's is, by the bias of its last norm: attention to a part must not make the whole text louder."""
    encoder = copy.deepcopy(texts._encoder)
    encoder.final_layer_norm.bias.data += 3.0
    biased = text.Texts(encoder, texts._vocabulary, texts._chunk, texts._device, texts._stats)
    plain, loud = biased.embedding("a red boat"), biased.embedding("a (red:1.5) (boat:1.4)")
    assert plain.mean() == pytest.approx(3, abs=0.5)
    assert loud.mean() == pytest.approx(float(plain.mean()), rel=1e-5)
    assert not torch.allclose(loud, plain, atol=1e-1)


def test_weight_one_and_weight_zero(texts: Any) -> None:
    assert torch.equal(texts.embedding("(a cat:1.0)"), texts.embedding("a cat"))
    assert torch.isfinite(texts.embedding("(a cat:0)")).all()
    assert torch.isfinite(texts.embedding("(" * 5000 + "a cat")).all()


def test_the_shorter_text_is_padded_with_empty_chunks(texts: Any) -> None:
    one = shot(prompt="red boat, " * 40, negative="fog")
    found = texts.of(one, 3, 1)
    (cond,), uncond = found.conds[0], found.unconds[0]
    assert cond.shape == uncond.shape == (3 * 77, 32)
    assert torch.equal(uncond[:77], texts.embedding("fog"))
    assert torch.equal(uncond[77:154], texts.embedding(""))
    assert torch.equal(cond[154:], texts.embedding("")) == (len(condition(one.prompt, Vocabulary.load(CLIP), 75)) == 2)


def test_guidance_one_never_looks_at_the_negative(texts: Any, opened: Any) -> None:
    before = texts.encoded
    one = shot(prompt="new words", negative="fog, " * 100, guidance=1.0)
    assert texts.of(one, 1, 1).unconds == ()
    assert texts.encoded == before + 1
    assert opened.bucket(one).chunks == 1


def test_kept_texts_are_bounded(texts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "KEPT", 3)
    for i in range(6):
        texts.embedding(f"cat {i}")
    assert texts.encoded == 6
    texts.embedding("cat 5")
    texts.embedding("cat 3")
    assert texts.encoded == 6
    texts.embedding("cat 0")
    assert (texts.encoded, len(texts._kept)) == (7, 3)
