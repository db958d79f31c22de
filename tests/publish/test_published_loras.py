"""A research object of pictures with LoRAs, which a real model renders again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sdbatch.config.model import ModelSettings
from sdbatch.models.folders import digest_of
from sdbatch.models.locate import locate
from sdbatch.models.lora.modules import modules_of
from sdbatch.tasks import dispatch
from tests.models.lora_files import write


def _lora(path: Path, licence: str = "") -> Path:
    path.parent.mkdir()
    modules = modules_of(locate(ModelSettings(kind="tiny")))
    assert modules is not None
    name = next(path for path in modules.unet if path.endswith("to_q"))
    write(path, "kohya", modules={name: modules.unet[name]})
    save_file(load_file(path), path, {"modelspec.license": licence} if licence else None)
    return path


def test_pictures_with_a_lora_are_published_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a folder, one that only its path names, and a textual inversion; the crate states where they are from."""
    monkeypatch.chdir(tmp_path)
    ink, other = _lora(Path("loras/ink.safetensors"), "CC0-1.0"), _lora(Path("else/other.safetensors"))
    Path("embeddings").mkdir()
    save_file({"emb_params": np.zeros((2, 128), np.float32)}, "embeddings/dusk.safetensors")
    data: dict[str, Any] = {"name": "inked", "prompts": ["a sea, dusk"], "canvas": ["64x64"], "sampling": {"steps": 1}}
    data |= {"loras": ["ink", {"path": str(other), "weight": [0.2, 0.4]}], "model": {"kind": "tiny"}}
    data |= {"gallery": {"enabled": False}}
    assert dispatch.run(data) == 0
    assert dispatch.run(data | {"task": "publish"}) == 0
    weights = json.loads(Path("publish/inked/weights.json").read_text())
    assert [w["origin"] for w in weights] == [
        "embedded in sdbatch (tiny)",
        "LoRA ink, a local file",
        "LoRA other, a local file",
        "textual inversion dusk, a local file",
    ]
    assert [w["licence"] for w in weights] == ["apache-2.0", "CC0-1.0", "unknown", "unknown"]
    sha256 = hashlib.sha256(ink.read_bytes()).hexdigest()
    assert weights[1]["files"] == [{"name": "ink.safetensors", "size": ink.stat().st_size, "sha256": sha256}]
    assert weights[1]["identity"] == digest_of(ink)
    other.rename("loras/other.safetensors")
    assert dispatch.run({"task": "check", "source": "publish/inked.zip"}) == 0
    ink.unlink()
    assert dispatch.run({"task": "check", "source": "publish/inked.zip"}) == 1
