"""Every task with users' pictures: the fake renderer, real files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdbatch.gallery import command
from sdbatch.media import metadata, png
from tests.config.building import planned
from tests.tasks.conftest import Folder

DATA: dict[str, Any] = {
    "prompts": ["a sea"],
    "seeds": [0],
    "canvas": ["init"],
    "init": {"image": "photo.png", "strength": 0.5},
}


@pytest.fixture
def rendered(folder: Folder) -> Folder:
    """One picture made of photo.png, 40 x 24."""
    photo(folder.root / "photo.png")
    assert folder.run(**DATA) == 0
    return folder


def photo(path: Path) -> None:
    Image.linear_gradient("L").resize((40, 24)).convert("RGB").save(path)


def test_the_picture_is_of_its_size_and_names_its_source(rendered: Folder) -> None:
    path = rendered.path("images/*")
    assert png.decode(path).shape == (24, 40, 3)
    found = metadata.read(path)["job"]
    assert found["pictures"] == {found["shot"]["init"]["picture"]["digest"]: "photo.png"}


def test_the_picture_that_it_starts_from_is_kept_beside_it(rendered: Folder) -> None:
    """At its size, once for all strengths and prompts; that of an outpainted one with what was added."""
    root = rendered.store.root
    (start,) = (root / "starts").iterdir()
    assert np.array_equal(png.decode(start), np.asarray(Image.open(rendered.root / "photo.png")))
    assert rendered.run(task="gallery", **DATA | {"gallery": {"enabled": True}}) == 0
    assert f'"start":"starts/{start.name}"' in (root / "gallery/jobs-000.js").read_text()
    sweep = [{"init.strength": [0.2, 0.8]}]
    assert rendered.run(**DATA | {"prompts": ["a", "b"], "sweep": sweep, "canvas": ["32x16"], "name": "swept"}) == 0
    (small,) = (root.parent / "swept/starts").iterdir()
    assert png.decode(small).shape == (16, 32, 3)
    assert rendered.run(**DATA | {"mask": {"outpaint": {"left": 16}}, "name": "wide"}) == 0
    (wide,) = (root.parent / "wide/starts").iterdir()
    assert np.array_equal(png.decode(wide)[:, 16:], png.decode(start))


def test_prune_removes_the_start_that_no_job_needs(rendered: Folder) -> None:
    (start,) = (rendered.store.root / "starts").iterdir()
    assert rendered.run(task="prune", prune={"apply": True, "plans": True}, **DATA) == 0
    assert start.exists()
    assert (
        rendered.run(task="prune", prune={"apply": True, "plans": True}, **DATA | {"init": {}, "canvas": ["16x16"]})
        == 0
    )
    assert not start.parent.exists()


def test_it_is_verified_and_reproduced_wherever_the_photo_is(rendered: Folder) -> None:
    path = rendered.path("images/*")
    assert rendered.run(task="verify", **DATA) == 0
    assert rendered.run(task="reproduce", source=str(path)) == 0  # where it was
    rendered.moved("photo.png")


def test_a_final_keeps_the_picture_and_may_change_its_strength(rendered: Folder) -> None:
    chosen = {"task": "final", "final": {"jobs": [rendered.path("images/*").name], "set": {"init.strength": 0.25}}}
    assert rendered.run(**chosen) == 0
    (made,) = (rendered.root / "outputs").glob("*-final/images/*.png")
    assert metadata.read(made)["job"]["shot"]["init"]["strength"] == 0.25
    assert rendered.run(**DATA | {"init": {}, "canvas": ["32x32"], "name": "plain"}) == 0
    (plain,) = (rendered.root / "outputs/plain/images").glob("*.png")
    again = {"name": "plain", "task": "final", "final": {"jobs": [plain.name], "set": {"init.strength": 0.25}}}
    assert "final.set.init.strength: has no effect" in rendered.wrong(**again)


def test_a_final_of_a_masked_picture_in_two_passes(rendered: Folder) -> None:
    """It is verified; a mask of which only a part is rendered has one pass."""
    mask = {"outpaint": {"left": 16}, "padding": 8}
    assert rendered.run(**DATA | {"mask": mask, "name": "masked"}) == 0
    again = {"name": "masked", "task": "final", "final": {"jobs": [masked_id(rendered)], "set": {"hires.scale": 2}}}
    assert "final.set.hires.scale: cannot be combined with mask.padding" in rendered.wrong(**again)
    shutil.rmtree(rendered.root / "outputs/masked")
    assert rendered.run(**DATA | {"mask": mask | {"padding": None}, "name": "masked"}) == 0
    again["final"] = {"jobs": [masked_id(rendered)], "set": {"hires.scale": 2}}
    assert rendered.run(**again) == 0
    (made,) = (rendered.root / "outputs").glob("masked-final/images/*.png")
    assert png.decode(made).shape == (48, 112, 3)
    assert rendered.run(task="reproduce", source=str(made)) == 0
    assert "bit-equal" in rendered.out


def masked_id(folder: Folder) -> str:
    (found,) = (folder.root / "outputs/masked/images").glob("*.png")
    return found.name


def test_a_photo_that_changes_makes_another_job(rendered: Folder) -> None:
    Image.new("RGB", (40, 24), (9, 9, 9)).save(rendered.root / "photo.png")
    assert rendered.run(**DATA) == 0
    assert len(list((rendered.root / "outputs").glob("*/images/*.png"))) == 2


def test_the_command_of_a_picture_names_its_photo(rendered: Folder) -> None:
    (job,) = planned(DATA)
    assert "init.image=photo.png" in command.settings_overrides(job)
    assert planned(command.job_settings(job) | {"model": {"kind": "fake"}}).ids == planned(DATA).ids
