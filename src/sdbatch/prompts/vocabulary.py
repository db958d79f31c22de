"""CLIP's byte-pair vocabulary, read from a folder with ``merges.txt`` (and ``vocab.json``). No torch, no transformers.

Without ``vocab.json`` the vocabulary is derived from the merges as CLIP orders it: 256 byte symbols, the same with
``</w>``, one entry per merge, start, end. Normalisation (NFC, lower case, white space) and word splitting are those
of ``transformers.CLIPTokenizer``; a test compares the ids.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from sdbatch.errors import ConfigError

START, END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"
_SPACE = "Ġ"  # the symbol of the space byte
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Vocabulary:
    """CLIP's tokenizer. Create with :meth:`load`; instances are shared and must not be modified."""

    def __init__(self, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self._tokenizer = _tokenizer(vocab, merges)
        self._decoder = decoders.ByteLevel()
        self._pieces = {i: piece for piece, i in vocab.items()}
        self.start, self.end = vocab[START], vocab[END]
        self.size = len(vocab)
        self._is_token = lru_cache(65_536)(lambda word: len(self.pieces(word)) == 1)

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """The vocabulary in ``folder``, read once per process. Raises ConfigError if it cannot be read."""
        return _load(Path(folder).resolve())

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``, without start and end tokens."""
        return list(self._tokenizer.encode(_clean(text), add_special_tokens=False).ids)

    def pieces(self, text: str) -> list[str]:
        """The tokens of ``text`` as the vocabulary spells them (``</w>`` ends a word)."""
        return list(self._tokenizer.encode(_clean(text), add_special_tokens=False).tokens)

    def decode(self, ids: list[int]) -> str:
        """Readable text of ``ids`` (lower case, words separated by single spaces)."""
        joined = "".join(self._pieces[i].replace(_WORD_END, _SPACE) for i in ids)
        return str(self._decoder.decode([joined])).strip()

    def unknown(self, text: str) -> list[str]:
        """Distinct words of ``text`` that are not one token each, in order of appearance."""
        clean = self._tokenizer.normalizer.normalize_str(_clean(text))
        words = (clean[a:b] for _, (a, b) in _splitter().pre_tokenize_str(clean))
        alphabetic = dict.fromkeys(w for w in words if any(c.isalpha() for c in w) and w not in (START, END))
        return [w for w in alphabetic if not self._is_token(w)]


def _clean(text: str) -> str:
    """``text`` with lone surrogates, which cannot be tokenised, replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


@lru_cache(maxsize=1)
def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)


def _tokenizer(vocab: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    model = BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix=_WORD_END, unk_token=END)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([_splitter(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in (START, END)])
    return tokenizer


@lru_cache(maxsize=8)
def _load(folder: Path) -> Vocabulary:
    try:
        merges = _merges(folder / "merges.txt")
        file = folder / "vocab.json"
        vocab = json.loads(file.read_text("utf-8")) if file.exists() else derive(merges)
        return Vocabulary(vocab, merges)
    except (OSError, ValueError, KeyError) as e:
        hint = "merges.txt and vocab.json are required, as in the tokenizer/ folder of a diffusers model"
        raise ConfigError.one("model", f"the vocabulary in {folder} cannot be read: {e}", hint) from e


def _merges(file: Path) -> list[tuple[str, str]]:
    lines = file.read_text("utf-8").split("\n")
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"{file.name} contains a line that is not a pair")
    return pairs  # type: ignore[return-value]


def derive(merges: list[tuple[str, str]]) -> dict[str, int]:
    """The vocabulary that CLIP's merges imply: byte symbols, byte symbols that end a word, merges, start, end."""
    symbols = _byte_symbols()
    entries = [*symbols, *(s + _WORD_END for s in symbols), *(a + b for a, b in merges), START, END]
    return {entry: i for i, entry in enumerate(entries)}


def _byte_symbols() -> list[str]:
    """GPT-2's printable symbols for the 256 bytes, printable bytes first (the order of CLIP's ids)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(plain)
    return [chr(b) for b in plain] + [chr(256 + n) for n in range(others)]
