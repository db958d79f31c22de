"""Files that do not fit a model of the hub are found when it has been fetched, before anything is rendered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from sdbatch.models import locate
from sdbatch.models.source import SHIPPED
from tests.engine.models import save
from tests.tasks.conftest import Folder

HUB = {"kind": "hub", "repo": "owner/model", "revision": "1" * 40}


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the hub sends: a model of another size than the embedded one."""
    path = tmp_path_factory.mktemp("hub")
    save(path)
    monkeypatch.setattr(locate, "fetch", lambda source: replace(source, folder=path) if source.remote else source)
    return path


@pytest.mark.parametrize("seeds", ["0..1", "random*2"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"control": [{"net": "tiny-canny", "image": "a.png"}]},
            "control[0].net: 'tiny-canny' is a ControlNet for another architecture",
        ),
        ({"loras": [str(SHIPPED / "loras/ink.safetensors")]}, "loras[0].path"),
        ({"prompts": ["a sea, own"]}, "embedding_folders: own: 'own.safetensors' has vectors of 7 numbers"),
    ],
)
def test_it_is_an_error_and_nothing_is_written(
    folder: Folder, other: Path, change: dict[str, Any], said: str, seeds: str
) -> None:
    Image.new("RGB", (8, 8)).save(folder.root / "a.png")
    (folder.root / "embeddings").mkdir()
    save_file({"emb_params": np.zeros((1, 7), np.float32)}, folder.root / "embeddings/own.safetensors")
    wrong = folder.wrong(model=HUB, seeds=seeds, **{"prompts": ["a sea"]} | change)
    assert said in wrong
