"""Pictures that an experiment names: files, folders, patterns, lists, and the folders in which they are looked up."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sdbatch.errors import ConfigError
from sdbatch.plan.pictures import Pictures
from sdbatch.spec.pictures import InputPicture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photos/ with three pictures and another file, inputs/deep/ with one."""
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("photos/p10.png", "photos/p2.jpg", "photos/p1.webp", "inputs/deep/far.png")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + n, 6), (n * 50, 0, 0)).save(path)
    (tmp_path / "photos/notes.txt").write_text("no picture")
    return tmp_path


def names(pictures: tuple[InputPicture, ...]) -> list[str]:
    return [Path(p.path).name for p in pictures]


def test_files_folders_patterns_and_lists(folder: Path) -> None:
    pictures = Pictures(["inputs"])
    assert names(pictures.named("photos/p2.jpg", "at")) == ["p2.jpg"]
    assert names(pictures.named("photos", "at")) == ["p1.webp", "p2.jpg", "p10.png"]  # 2 before 10
    assert names(pictures.named("photos/p1*", "at")) == ["p1.webp", "p10.png"]
    assert names(pictures.named(["photos/p2.jpg", "photos"], "at")) == ["p2.jpg", "p1.webp", "p2.jpg", "p10.png"]
    assert names(pictures.named("deep/far.png", "at")) == ["far.png"]  # in inputs
    (found,) = pictures.named("photos/p10.png", "at")
    assert (found.width, found.height) == (8, 6)
    assert pictures.one("photos/p2.jpg", "at").width == 9


def test_every_mistake_is_named(folder: Path) -> None:
    (folder / "photos/broken.png").write_bytes((folder / "photos/p10.png").read_bytes()[:-26])
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError) as error:
        Pictures().named(["photos/p3.jpg", "empty", "photos/broken.png", "photos/notes.txt"], "init.image")
    said = str(error.value)
    assert (
        "init.image[0]: there is no picture 'photos/p3.jpg' in the working folder or in input_folders (no fol" in said
    )
    assert "(did you mean 'photos/p2.jpg'?)" in said
    assert "init.image[1]: the folder 'empty' has no picture" in said
    assert "init.image[2]: 'photos/broken.png' is a damaged picture" in said
    assert "init.image[3]: 'photos/notes.txt' is not a picture that can be read (PNG, JPEG, WebP)" in said
    with pytest.raises(ConfigError, match="names 3 pictures, and one is needed"):
        Pictures().one("photos/p*.[jpw]*", "mask.image")
    with pytest.raises(ConfigError, match="mask: names no picture"):
        Pictures().named([], "mask")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothere.png", "'nothere.png' in the working folder or in input_folders (inputs)"),
        ("photos/p2.png", "(inputs) (did you mean 'photos/p2.jpg'?)"),
        ("photo", "(inputs) (did you mean 'photos'?)"),
        ("photos/notes.tx", "(inputs)"),  # notes.txt is no picture
        ("*.gif", "'*.gif' in the working folder or in input_folders (inputs) (read are PNG, JPEG, WebP)"),
        ("https://example.org/one.png", "'https://example.org/one.png' (pictures are not fetched: download it, and"),
        ("/nowhere/one.png", "'/nowhere/one.png'"),
    ],
)
def test_a_name_of_no_picture(folder: Path, name: str, said: str) -> None:
    Image.new("RGB", (8, 8)).save(folder / "one.png")
    with pytest.raises(ConfigError) as error:
        Pictures(["inputs"]).named(name, "init.image")
    assert str(error.value).startswith("init.image: there is no picture '")
    assert said in str(error.value)
    assert ("did you mean" in str(error.value)) == ("did you mean" in said)


def test_pictures_are_found_again_by_digest(folder: Path) -> None:
    pictures = Pictures(["inputs"])
    (found,) = pictures.named("photos/p2.jpg", "at")
    assert pictures.bound([found]) == {found.digest: folder / "photos/p2.jpg"}
    (folder / "photos/p2.jpg").rename(folder / "inputs/renamed.jpg")
    assert Pictures(["inputs"]).bound([found]) == {found.digest: folder / "inputs/renamed.jpg"}
    with pytest.raises(
        ConfigError, match=rf"input_folders: p2.jpg \({found.digest}\), which was used, is not in other"
    ):
        Pictures(["other"]).bound([found])
