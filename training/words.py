"""The model's own small tokenizer, in CLIP's format: every word of the captions is one token."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from training.captions import vocabulary

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
LENGTH = 32


def byte_alphabet() -> dict[int, str]:
    """The printable character that stands for each byte, in the order of CLIP's vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {byte: chr(byte) for byte in plain}
    table.update({byte: chr(256 + i) for i, byte in enumerate(b for b in range(256) if b not in table)})
    return table


def _spell(word: str) -> tuple[str, ...]:
    table = byte_alphabet()
    letters = [table[byte] for byte in word.encode()]
    return (*letters[:-1], letters[-1] + "</w>")


def _joined(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    i = 0
    while i < len(parts):
        if parts[i : i + 2] == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return tuple(out)


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, the most frequent pair first, until every word is one token."""
    spelled = {word: _spell(word) for word in words}
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts in spelled.values():
            pairs.update(pairwise(parts))
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelled = {word: _joined(parts, best) for word, parts in spelled.items()}


def write_tokenizer(folder: Path, known: list[str] | None = None) -> CLIPTokenizer:
    """Write vocab.json, merges.txt and the rest of a CLIPTokenizer folder; returns the tokenizer read back.

    `known` are the words that become one token each, without it those of the captions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    letters = list(byte_alphabet().values())
    merges = learn_merges(vocabulary() if known is None else known)
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), BOS, EOS]
    vocab = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special: dict[str, object] = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": EOS}
    _write(folder / "special_tokens_map.json", special)
    _write(
        folder / "tokenizer_config.json",
        {
            **special,
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": LENGTH,
            "do_lower_case": True,
            "errors": "replace",
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
        },
    )
    made = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)
    made.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return CLIPTokenizer.from_pretrained(folder)


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
