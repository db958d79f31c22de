"""ControlNets as keys: nets, pictures and weights as axes, ids, and every mistake by its name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdbatch import motion
from sdbatch.errors import ConfigError
from sdbatch.gallery import command
from sdbatch.media import infotext
from sdbatch.models.source import SHIPPED
from sdbatch.plan import parse
from sdbatch.spec.cost import controlled, cost
from sdbatch.spec.inputs import pictures
from tests.config.building import planned, problems

FILE = SHIPPED / "controlnets/tiny-canny/diffusion_pytorch_model.safetensors"
ONE = {"net": "tiny-canny", "image": "a.png"}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """a.png, photos/b.png, photos/c.png; controlnets/edges.safetensors, which is the shipped one."""
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "controlnets"):
        (tmp_path / folder).mkdir()
    for n, name in enumerate(("a.png", "photos/b.png", "photos/c.png")):
        Image.new("RGB", (40, 30), (90 * n, 9, 9)).save(tmp_path / name)
    (tmp_path / "controlnets/edges.safetensors").symlink_to(FILE)


def seen(**data: Any) -> list[str]:
    """The label of every job's controls."""
    return [
        " + ".join(f"{c.name} {c.picture} {c.weight:g}" for c in job.shot.controls) or "none" for job in planned(data)
    ]


def test_the_picture_that_a_shot_starts_from() -> None:
    """With hires the enlarged first pass, which is the plain picture; or init.image."""
    own = ONE | {"image": "init", "preprocess": "tile"}
    (job,), (plain,) = planned(control=[own], hires={"scale": 2}, canvas=["64x64"]), planned(canvas=["64x64"])
    first, second = motion.shots(job)
    assert first == plain.shot
    assert [(c.picture, c.preprocess) for c in second.controls] == [(None, "tile")]
    assert dict(planned(control=[own, ONE], hires={"scale": 2})[0].labels).keys() == {"prompts", "canvas", "seeds"}
    again = planned(command.job_settings(job) | {"model": {"kind": "fake"}})
    assert again.ids == [job.id]
    line = json.loads(json.dumps({"id": job.id, **motion.job_spec(job)}))
    assert motion.shots(parse.job(line)) == (first, second)
    (swept,) = planned(sweep=[{"control": [own]}], init={"image": "a.png"})
    assert dict(swept.labels)["control"] == "init tile 1"
    for film in ({}, {"hires": {"scale": 2}, "motion": {"mode": "feedback", "seconds": 1}}, {"upscale": {"scale": 2}}):
        (wrong,) = problems(control=[own], **film)
        assert str(wrong).startswith("control.image: 'init' is the picture that a shot starts from, and there is none")
    assert problems(control=[own], init={"image": "a.png"}, motion={"mode": "feedback", "seconds": 1}) == []
    before_and_after = planned(control=[own], canvas=["64x64"], sweep=[{"hires.scale": [1, 2]}])
    assert before_and_after.ids == [plain.id, job.id]


def test_nets_pictures_and_weights_are_axes() -> None:
    assert seen(control=[ONE]) == ["tiny-canny a 1"]
    both = ["tiny-canny b 1", "tiny-canny c 1"]
    assert seen(control=[ONE | {"image": "photos"}]) == both
    assert seen(control=[ONE | {"image": ["photos/c.png", "photos/b.png"]}]) == both[::-1]
    assert seen(control=[ONE | {"weight": "0.5..1..0.5"}]) == ["tiny-canny a 0.5", "tiny-canny a 1"]
    assert seen(control=[ONE | {"net": [str(FILE.parent), "edges"]}]) == ["tiny-canny a 1"]  # one file: one job
    two = seen(control=[ONE, {"net": "edges", "image": "photos", "weight": 0.5}])
    assert two == ["tiny-canny a 1 + edges b 0.5", "tiny-canny a 1 + edges c 0.5"]
    swept = seen(sweep=[{"control": [None, ONE, [ONE, ONE | {"image": "photos/b.png"}]]}])
    assert swept == ["none", "tiny-canny a 1", "tiny-canny a 1 + tiny-canny b 1"]
    zipped = planned(sweep=[{"prompts": ["a hill", "a sea"], "control": [None, ONE | {"preprocess": "canny"}]}])
    assert [(job.shot.prompt, dict(job.labels)["control"]) for job in zipped] == [
        ("a hill", "none"),
        ("a sea", "a canny 1"),
    ]


def test_only_what_decides_pixels_is_in_the_id() -> None:
    plain, one = planned(), planned(control=[ONE])
    assert planned(control=[ONE | {"weight": 0}]).ids == plain.ids != one.ids
    Path("elsewhere.png").write_bytes(Path("a.png").read_bytes())
    assert planned(control=[{"net": "edges", "image": "elsewhere.png"}]).ids == one.ids
    others: list[dict[str, Any]] = [
        {"preprocess": "canny"},
        {"weight": 0.5},
        {"start": 0.2},
        {"end": 0.5},
        {"guess": True},
    ]
    others.append({"image": "photos/b.png"})
    assert len({planned(control=[ONE | other]).ids[0] for other in others} | {*one.ids, *plain.ids}) == 8
    written = planned(control=[ONE | {"preprocess": "none", "weight": 1, "start": 0, "end": 1, "guess": False}])
    assert written.ids == one.ids


def test_metadata_gives_the_job_back() -> None:
    (job,) = planned(control=[ONE | {"preprocess": "canny", "weight": 0.7, "end": 0.5, "guess": True}])
    data = json.loads(json.dumps(motion.job_spec(job) | {"id": job.id}))
    found = parse.job(data)
    assert found.id == job.id
    (control,), (own,) = found.shot.controls, job.shot.controls
    assert control == own
    assert (control.name, control.hash) == ("tiny-canny", own.hash)
    assert len(own.hash) == 8
    assert [Path(p.path).name for p in pictures(found.shot)] == ["a.png"]
    for key, value in (("weight", 11.0), ("end", -0.5), ("preprocess", "depth"), ("net", 3)):
        damaged = json.loads(json.dumps(data))
        damaged["shot"]["controls"][0][key] = value
        with pytest.raises(ConfigError, match=rf"job\.shot\.controls(\[0\]|\.0)\.{key}"):
            parse.job(damaged)


def test_the_infotext_has_the_fields_of_a1111s_extension() -> None:
    (job,) = planned(control=[ONE | {"preprocess": "canny", "weight": 0.7, "end": 0.5}, ONE | {"guess": True}])
    extras = infotext.parse(infotext.write(job.shot))["extras"]
    fields = dict(part.split(": ") for part in extras["ControlNet 0"].split(", "))
    short = job.shot.controls[0].hash
    assert fields["Module"] == "canny"
    assert fields["Model"] == f"tiny-canny [{short}]"
    assert (fields["Weight"], fields["Guidance Start"], fields["Guidance End"]) == ("0.7", "0.0", "0.5")
    assert fields["Control Mode"] == "Balanced"
    assert "Control Mode: ControlNet is more important" in extras["ControlNet 1"]


def test_a_control_costs_more_and_works_in_its_interval() -> None:
    (plain,), (one,), (two,) = (planned(control=c) for c in ([], [ONE], [ONE, ONE | {"image": "photos/b.png"}]))
    assert [cost(j.shot) / cost(plain.shot) for j in (one, two)] == pytest.approx([1.4, 1.8])
    (late,) = planned(control=[ONE | {"start": 0.25, "end": 0.75}])[0].shot.controls
    assert [controlled(late, e, 8) for e in range(8)] == [False] * 2 + [True] * 4 + [False] * 2


def test_every_shot_of_a_video_is_controlled() -> None:
    moved = {"mode": "feedback", "frames": 4, "cadence": 1, "fps": 8}
    (job,) = planned(control=[ONE], motion=moved)
    shots = motion.shots(job)
    assert len(shots) > 1
    assert all(shot.controls == shots[0].controls for shot in shots)


def test_every_mistake_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"x")
    (tmp_path / "broken.png").write_bytes(Path("a.png").read_bytes()[:60])
    wrong = [
        {"net": "edgs", "image": "a.png"},
        {"net": "a.pth", "image": "broken.png"},
        {"net": "edges", "image": ["a.png", "nothing.png"]},
    ]
    said = "\n".join(map(str, problems(control=wrong)))
    assert "control[0].net: there is no 'edgs' in control_folders (controlnets) (did you mean 'edges'?)" in said
    assert "control[1].net: 'a.pth' is a pickle file" in said
    assert "control[1].image: 'broken.png' is a damaged picture" in said
    assert "control[2].image[1]: there is no picture 'nothing.png'" in said
    for entry, message in (
        (ONE | {"preprocess": "cany"}, "control[0].preprocess"),
        (ONE | {"weight": 11}, "11 is out of range 0–10"),
        (ONE | {"weight": []}, "is empty"),
        (ONE | {"weight": "x"}, "is not a weight"),
        (ONE | {"image": []}, "is empty"),
        (ONE | {"start": 0.5, "end": 0.5}, "start 0.5 is not before end 0.5"),
        ("canny", "'canny' is not a ControlNet; write {net: FILE, image: FILE, preprocess: canny}"),
        (ONE | {"strength": 1}, "control[0].strength: unknown key"),
    ):
        assert message in "\n".join(map(str, problems(control=[entry]))), entry
    swept = "\n".join(map(str, problems(sweep=[{"control": [ONE, {"net": "edgs", "image": "a.png"}]}])))
    assert "sweep[0].control[1][0].net: there is no 'edgs'" in swept
    monkeypatch.setitem(sys.modules, "cv2", None)
    (missing,) = problems(control=[ONE | {"preprocess": "canny"}])
    assert str(missing) == (
        "control[0].preprocess: canny cannot be computed (it needs OpenCV: pip install 'sdbatch[control]')"
    )


def test_a_net_for_another_model_is_refused_before_anything_is_rendered() -> None:
    assert not problems(control=[ONE], model={"kind": "tiny"})
    sd15 = problems(control=[ONE], model={"kind": "random_sd15"})
    assert sd15 == []  # made later: its shots fail


def test_files_are_found_beside_the_experiment(tmp_path: Path) -> None:
    from sdbatch.config.beside import found_beside

    folder = tmp_path / "photos"
    found = found_beside({"control": [{"net": "x", "image": ["b.png", "gone.png"]}]}, folder)
    assert found["control"] == [{"net": "x", "image": [str(folder / "b.png"), "gone.png"]}]
    swept = found_beside({"sweep": [{"control": [None, [{"net": "x", "image": "c.png"}]]}]}, folder)
    assert swept["sweep"] == [{"control": [None, [{"net": "x", "image": str(folder / "c.png")}]]}]
