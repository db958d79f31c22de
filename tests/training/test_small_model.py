"""The embedded model ``small``: its card, its size, and that pictures show what their prompts say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sdbatch
from sdbatch.config.model import ModelSettings
from sdbatch.models.locate import locate
from training.export import digest
from training.second import card, reader

FILES = [card.RESULTS, card.RECORD, card.MODEL / "digest.json"]
ASKED = {
    "red torii gate, sea, sunset sky": ("sunset", "sea", "torii", "red"),
    "white castle, snow hills, night sky, stars": ("night", "snow", "castle", "white"),
    "blue lighthouse, mountains, day sky": ("day", "mountains", "lighthouse", "blue"),
    "yellow balloon, desert, dawn": ("dawn", "desert", "balloon", "yellow"),
}


def test_it_fits_in_32_megabytes() -> None:
    source = locate(ModelSettings(kind="small"))
    assert source.folder == card.MODEL
    assert (source.native, source.model.channels) == (256, 8)
    assert sum(path.stat().st_size for path in card.MODEL.rglob("*") if path.is_file()) <= 32e6


def test_its_card_says_what_was_measured_of_these_weights() -> None:
    inputs = [json.loads(path.read_text("utf-8")) for path in FILES]
    assert inputs[2]["sha256"] == digest(card.MODEL)
    text = (card.MODEL / "README.md").read_text("utf-8")
    assert text == card.card(*inputs)
    assert "{{" not in text


def test_pictures_show_what_their_prompts_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the reader, which was trained on drawn scenes alone: of 16 attributes at least 14."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "name": "seen",
        "model": {"kind": "small"},
        "prompts": list(ASKED),
        "seeds": 8,
        "gallery": {"enabled": False},
    }
    made = sdbatch.load(settings | {"sampling": {"steps": 12, "guidance": 4}}).plan().render()
    rendered = {result.job.shot.prompt: np.array(result.image().convert("RGB")) for result in made}
    pictures = [rendered[prompt] for prompt in ASKED]
    assert {p.shape for p in pictures} == {(256, 256, 3)}
    seen = reader.read(reader.restore(), pictures)
    heads = ("sky", "backdrop", "subject", "colour")
    found = [
        [s[head] == word for head, word in zip(heads, want, strict=True)]
        for s, want in zip(seen, ASKED.values(), strict=True)
    ]
    assert np.sum(found) >= 14, found
