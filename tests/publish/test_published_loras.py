"""A research object of pictures with LoRAs, which a real model renders again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdbatch.config.model import ModelSettings
from sdbatch.models.locate import locate
from sdbatch.models.lora.modules import modules_of
from sdbatch.tasks import dispatch
from tests.models.lora_files import write


def test_pictures_with_a_lora_are_published_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loras").mkdir()
    modules = modules_of(locate(ModelSettings(kind="tiny")))
    assert modules is not None
    name = next(path for path in modules.unet if path.endswith("to_q"))
    write(Path("loras/ink.safetensors"), "kohya", modules={name: modules.unet[name]})
    data: dict[str, Any] = {"name": "inked", "prompts": ["a sea"], "canvas": ["64x64"], "sampling": {"steps": 1}}
    data |= {"loras": ["ink"], "gallery": {"enabled": False}}
    assert dispatch.run(data) == 0
    assert dispatch.run(data | {"task": "publish"}) == 0
    assert dispatch.run({"task": "check", "source": "publish/inked.zip"}) == 0
    Path("loras/ink.safetensors").unlink()
    assert dispatch.run({"task": "check", "source": "publish/inked.zip"}) == 1
