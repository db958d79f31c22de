"""Every task with ControlNets: the fake renderer, real files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch.gallery import command
from sdbatch.imaging.preprocess import canny
from sdbatch.media import metadata, png
from sdbatch.pictures.read import read
from tests.config.building import planned
from tests.tasks.conftest import Folder
from training.painter import paint
from training.scene import draw_scene

SCENE = paint(draw_scene(3, "4:3"))
DATA: dict[str, Any] = {
    "prompts": ["a sea"],
    "seeds": [0, 1],
    "canvas": ["144x112"],
    "control": [{"net": "tiny-canny", "image": "photo.png", "preprocess": "canny", "weight": [0.5, 1]}],
}


@pytest.fixture
def rendered(folder: Folder) -> Folder:
    """Four pictures controlled by the edges of photo.png."""
    (folder.root / "photo.png").write_bytes(png.encode(SCENE, {}, None))
    assert folder.run(**DATA) == 0
    return folder


def test_the_control_picture_is_kept_once_beside_the_results(rendered: Folder) -> None:
    (kept,) = (rendered.store.root / "controls").iterdir()
    assert kept.name == f"{read(rendered.root / 'photo.png').digest[3:19]}-canny-144x112.png"
    assert np.array_equal(png.decode(kept), canny(SCENE))
    assert len(list(rendered.store.root.glob("images/*.png"))) == 4
    changed = kept.stat().st_mtime_ns
    assert rendered.run(**DATA | {"seeds": [2]}) == 0
    assert kept.stat().st_mtime_ns == changed


def test_it_is_verified_and_reproduced_wherever_the_photo_is(rendered: Folder) -> None:
    path = rendered.path("images/*")
    found = metadata.read(path)["job"]
    (control,) = found["shot"]["controls"]
    assert found["adapters"][control["net"]]["name"] == "tiny-canny"
    assert found["pictures"] == {control["picture"]["digest"]: "photo.png"}
    assert rendered.run(task="verify", **DATA) == 0
    rendered.moved("photo.png")


def test_a_final_keeps_its_controls(rendered: Folder) -> None:
    chosen = {"jobs": [rendered.path("images/*").name], "set": {"sampling.steps": 9}}
    assert rendered.run(task="final", final=chosen) == 0
    (made,) = (rendered.root / "outputs").glob("*-final/images/*.png")
    draft, final = (metadata.read(path)["job"]["shot"] for path in (rendered.path("images/*"), made))
    assert (final["controls"], final["steps"]) == (draft["controls"], 9)
    assert [p.name[-18:] for p in made.parents[1].glob("controls/*")] == ["-canny-144x112.png"]


def test_a_final_film_whose_shots_are_there_keeps_its_controls(rendered: Folder) -> None:
    """A final that was interrupted between its last shot and its video."""
    (rendered.root / "inputs").mkdir()
    (rendered.root / "photo.png").rename(rendered.root / "inputs/photo.png")
    film = DATA | {"seeds": [0], "motion": {"mode": "prompt", "frames": 3, "phrase": "at {t:.2f}"}}
    assert rendered.run(**film) == 0
    draft = rendered.path("videos/*.mp4").name
    final = {"task": "final", "final": {"jobs": [draft], "set": {"sampling.steps": 9}}}
    assert rendered.run(**final) == 0
    root = rendered.root / "outputs/little-final"
    before = rendered.tree("outputs/little-final/**/*")
    for folder in ("controls", "videos"):
        shutil.rmtree(root / folder)
    assert rendered.run(**final) == 0
    assert rendered.tree("outputs/little-final/**/*") == before


def test_prune_removes_what_no_job_saw(rendered: Folder) -> None:
    (kept,) = (rendered.store.root / "controls").iterdir()
    assert rendered.run(task="prune", prune={"apply": True, "plans": True}, **DATA) == 0
    assert kept.exists()
    assert rendered.run(task="prune", prune={"apply": True, "plans": True}, **DATA | {"control": []}) == 0
    assert not kept.parent.exists()


def test_the_command_of_a_picture_names_its_net_and_photo(rendered: Folder) -> None:
    job = planned(DATA)[0]
    assert "control=[{net:tiny-canny,image:photo.png,preprocess:canny,weight:0.5}]" in command.settings_overrides(job)
    assert planned(command.job_settings(job) | {"model": {"kind": "fake"}}).ids == [job.id]


def test_wrong_nets_and_pictures_write_nothing(rendered: Folder) -> None:
    bad = {"net": str(Path("photo.png")), "image": "gone.png"}
    said = rendered.wrong(**DATA | {"name": "other", "control": [bad]})
    assert "control[0].net:" in said
    assert "control[0].image: there is no picture 'gone.png'" in said
