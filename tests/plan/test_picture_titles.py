"""Pictures of an axis have the shortest names that tell them apart, in labels and file names; ids do not change."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sdbatch.plan.picture_titles import titles_of
from tests.config.building import planned


@pytest.mark.parametrize(
    ("paths", "titles"),
    [
        (["a/sea.png", "a/hill.png"], ["sea", "hill"]),
        (["sea.png", "sea.jpg", "hill.png"], ["sea.png", "sea.jpg", "hill"]),
        (["a/sea.png", "b/sea.png", "b/hill.png"], ["a/sea.png", "b/sea.png", "hill"]),
        (["x/a/sea.png", "y/a/sea.png", "sea.jpg"], ["x/a/sea.png", "y/a/sea.png", "sea.jpg"]),
        (["sea.png", "a/sea.png", "a/sea.png"], ["sea.png", "a/sea.png", "a/sea.png"]),
        ([], []),
    ],
)
def test_titles(paths: list[str], titles: list[str]) -> None:
    found = titles_of(paths)
    assert [found[path] for path in paths] == titles
    assert len(set(found.values())) == len(set(paths))


def test_labels_and_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("a/sea.png", "b/sea.png", "b/sea.webp", "b/hill.png")):
        Path(name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (n, 0, 0)).save(name, lossless=True)
    names = {"output": {"names": "{init.image}-{id}"}}
    plan = planned(init={"image": ["a", "b"]}, canvas=["64x64"], **names)
    assert [dict(job.labels)["init.image"] for job in plan] == ["a/sea.png", "hill", "b/sea.png", "sea.webp"]
    assert [Path(job.path).name.partition("-j")[0] for job in plan] == ["a-sea.png", "hill", "b-sea.png", "sea.webp"]
    alone = planned(init={"image": "b/sea.png"}, canvas=["64x64"])
    assert alone.ids == [plan.ids[2]]
    control = [{"net": "tiny-canny", "image": ["a/sea.png", "b/sea.png"], "weight": 0.5}]
    swept = planned(model={"kind": "tiny"}, canvas=["64x64"], sweep=[{"control": [None, *control]}])
    assert [dict(job.labels)["control"] for job in swept] == ["none", "a/sea.png 0.5", "b/sea.png 0.5"]
