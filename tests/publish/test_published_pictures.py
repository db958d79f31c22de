"""Pictures made of users' pictures are published with them, and checked where neither they nor the net's folder is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sdbatch.config.yaml_reader import load
from sdbatch.media import png
from sdbatch.tasks import dispatch
from tests.config.building import planned
from training.painter import paint
from training.scene import draw_scene


def test_they_are_in_the_crate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("photos/a.png", "photos/b.png", "edges/a.png")):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(png.encode(paint(draw_scene(n, "1:1")), {}, None))
    data: dict[str, Any] = {"name": "seen", "prompts": ["a sea"], "canvas": ["64x64"], "sampling": {"steps": 2}}
    data |= {"gallery": {"enabled": False}, "init": {"image": "photos", "strength": 0.5}, "model": {"kind": "tiny"}}
    data["control"] = [{"net": "tiny-canny", "image": str(tmp_path / "edges/a.png"), "preprocess": "canny"}]
    assert dispatch.run(data) == 0
    assert dispatch.run(data | {"task": "publish"}) == 0
    crate = Path("publish/seen")
    assert sorted(p.name for p in (crate / "inputs").iterdir()) == ["2-a.png", "a.png", "b.png"]
    for folder, name in (("starts", "*-fill-64x64.png"), ("controls", "*-canny-64x64.png")):
        assert {p.name for p in (crate / folder).glob(name)} == {p.name for p in Path("outputs/seen", folder).iterdir()}
    weights = json.loads((crate / "weights.json").read_text())
    assert [w["origin"] for w in weights] == [
        "embedded in sdbatch (tiny)",
        "ControlNet tiny-canny, embedded in sdbatch",
    ]
    assert weights[1]["licence"] == "apache-2.0"
    text = (crate / "experiment.yaml").read_text()
    assert str(tmp_path) not in text
    ids = list(planned(data).ids)
    shutil.rmtree("photos")
    shutil.rmtree("edges")
    assert dispatch.run({"task": "check", "source": "publish/seen.zip"}) == 0
    monkeypatch.chdir(crate)
    assert list(planned(load(text)).ids) == ids
