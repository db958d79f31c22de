"""Image to image as keys: pictures as axes, sizes of pictures, ids, and every mistake by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdbatch import motion
from sdbatch.errors import ConfigError
from sdbatch.gallery import command
from sdbatch.media import infotext
from sdbatch.plan import parse
from sdbatch.spec.cost import cost, evaluations, table_of
from sdbatch.spec.jobs import Job
from sdbatch.spec.pictures import Init, InputPicture, Mask
from tests.config.building import planned, problems

A: dict[str, Any] = {"init": {"image": "photos/a.png"}}


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """photos/a.png (60 x 40), photos/b.jpg (32 x 48), small.png (8 x 8)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name, size in (("photos/a.png", (60, 40)), ("photos/b.jpg", (32, 48)), ("small.png", (8, 8))):
        Image.linear_gradient("L").resize(size).save(tmp_path / name)


def started(**data: Any) -> list[str]:
    """Picture, strength and size of every job."""
    return [seen(job) for job in planned(data)]


def seen(job: Job) -> str:
    init = job.shot.init
    first = f"{Path(init.picture.path).name} {init.strength:g}" if init else "none"
    return f"{first} {job.shot.width}x{job.shot.height}"


def test_files_folders_and_lists_are_axes() -> None:
    assert started(init={"image": "photos/a.png"}, canvas=["64x64"]) == ["a.png 0.6 64x64"]
    both = ["a.png 0.6 64x64", "b.jpg 0.6 64x64"]
    assert started(init={"image": "photos"}, canvas=["64x64"]) == both
    assert started(init={"image": ["photos/b.jpg", "photos/a.*"]}, canvas=["64x64"]) == both[::-1]
    swept = started(sweep=[{"init.image": [None, "photos"]}, {"init.strength": [0.2, 1]}], canvas=["64x64"])
    assert swept == ["none 64x64", "a.png 0.2 64x64", "a.png 1 64x64", "b.jpg 0.2 64x64", "b.jpg 1 64x64"]
    zipped = planned(sweep=[{"init.image": "photos", "prompts": ["a hill", "a sea"]}], canvas=["64x64"])
    assert [(job.shot.prompt, dict(job.labels)["init.image"]) for job in zipped] == [("a hill", "a"), ("a sea", "b")]


def test_pictures_and_videos_of_other_formats_in_a_folder_are_named() -> None:
    for name in ("clip.mp4", "old.bmp", "captions.txt", ".hidden.bmp"):
        Path("photos", name).touch()
    plan = planned(init={"image": "photos"}, canvas=["64x64"])
    assert len(plan) == 2
    assert plan.notes == [("init.image", "clip.mp4, old.bmp in photos are left out: read are PNG, JPEG, WebP")]


def test_the_canvas_is_the_pictures() -> None:
    assert started(init={"image": "photos"}, canvas=["init", "64x64"]) == [
        "a.png 0.6 60x40",
        "b.jpg 0.6 32x48",
        "a.png 0.6 64x64",
        "b.jpg 0.6 64x64",
    ]


def test_ids_know_the_files_bytes_and_settings_but_not_its_name() -> None:
    def ids(**init: Any) -> list[str]:
        return list(planned(init={"image": "photos/a.png"} | init).ids)

    first = ids()
    assert len({*first, *ids(strength=0.5), *ids(resize="fit"), *ids(image="photos/b.jpg"), *planned().ids}) == 5
    Path("photos/a.png").rename("renamed.png")
    assert ids(image="renamed.png") == first


def test_jobs_come_back_from_their_metadata_with_names_and_without_paths() -> None:
    (job,) = planned(init={"image": "photos/a.png", "strength": 0.25, "resize": "fit"})
    line = json.loads(json.dumps({"id": job.id, **motion.job_spec(job)}))
    assert str(Path.cwd()) not in json.dumps(line)
    again = parse.job(line)
    assert (again.id, again.shot) == (job.id, job.shot)
    assert again.shot.init
    assert again.shot.init.picture.path == "a.png"
    assert again.shot.init.picture.digest in line["pictures"]
    assert "Denoising strength: 0.25" in infotext.write(job.shot)
    line["pictures"] = {again.shot.init.picture.digest: "../../secret/x.png"}
    moved = parse.job(line).shot.init
    assert moved
    assert moved.picture.path == "x.png"
    line["shot"]["init"]["picture"]["path"] = "/dev/zero"  # is not believed
    assert parse.job(line).shot.init == moved
    for wrong in ({"strength": 1.5}, {"resize": "bend"}, {"picture": {"digest": "/etc/passwd"}}):
        broken = {**line, "shot": {**line["shot"], "init": {**line["shot"]["init"], **wrong}}}
        with pytest.raises(ConfigError):
            parse.job(broken)


def test_a_plan_costs_the_steps_that_are_left() -> None:
    whole, part, nothing = (
        next(iter(planned(init=init, sampling={"steps": 20}))).shot
        for init in ({}, {"image": "photos/a.png", "strength": 0.25}, {"image": "photos/a.png", "strength": 0})
    )
    assert table_of(part).steps == 5
    assert cost(part) == pytest.approx(cost(whole) / 4, rel=0.01)
    assert (evaluations(nothing), cost(nothing)) == (0, 0)


@pytest.mark.parametrize("mode", ["zoom", "feedback", "walk"])
def test_films_begin_at_the_picture(mode: str) -> None:
    more: dict[str, Any] = {"zoom": {"zoom": [[0, 1], ["end", 3]]}, "walk": {"seeds": [[0, 1], ["end", 2]]}}
    data = {
        "init": {"image": "photos/a.png", "strength": 0},
        "motion": {"mode": mode, "frames": 6, **more.get(mode, {})},
    }
    (job,) = planned(data)
    first, *others = motion.shots(job)
    assert first.init == Init(InputPicture(first.init.picture.digest if first.init else ""), 0)
    assert all((s.init is None) == (s.start is not None) for s in others)
    assert any(s.start for s in others) == (mode != "walk")
    assert parse.job({"id": job.id, **motion.job_spec(job)}).video == job.video


def test_masks_are_settings_and_axes() -> None:
    white = Image.new("L", (60, 40))
    white.paste(255, (10, 10, 30, 30))
    white.save("mask.png")
    base = {"init": {"image": "photos/a.png"}, "canvas": ["init"]}

    def masks(**mask: Any) -> list[Any]:
        return [job.shot.init and job.shot.init.mask for job in planned(base, mask=mask)]

    (usual,) = masks(image="mask.png")
    assert (usual.blur, usual.invert, usual.content, usual.area) == (4, False, "original", None)
    assert usual.picture.path == "mask.png"
    (part,) = masks(image="mask.png", padding=2, blur=0)
    assert (part.area.left, part.area.top, part.area.right, part.area.bottom) == (8, 8, 32, 32)
    assert (part.area.width, part.area.height, part.area.padding) == (128, 128, 2)
    swept = planned(base, sweep=[{"mask.image": [None, "mask.png"]}, {"mask.invert": [False, True]}])
    assert [dict(job.labels)["mask.image"] for job in swept] == ["none", "mask", "mask"]
    sides = planned(base, sweep=[{"mask.outpaint": [{}, {"left": 0.5, "top": 8}]}])
    assert [dict(job.labels)["mask.outpaint"] for job in sides] == ["none", "left 0.5, top 8"]
    (job,) = planned(base, mask={"outpaint": {"right": 0.5, "top": 8}})
    assert (job.shot.width, job.shot.height) == (90, 48)
    assert job.shot.init
    assert (job.shot.init.extend.right, job.shot.init.mask) == (30, Mask())
    for each in ({"image": "mask.png", "padding": 2}, {"outpaint": {"left": 9, "top": 0.02}, "content": "nothing"}):
        (job,) = planned(base, mask=each)
        line = json.loads(json.dumps({"id": job.id, **motion.job_spec(job)}))
        assert parse.job(line).shot == job.shot
        again = command.job_settings(job) | {"input_folders": "photos", "model": {"kind": "fake"}}
        assert planned(again).ids == [job.id]
    assert "Mask blur: 4" in infotext.write(job.shot)
    assert "Masked content: latent nothing" in infotext.write(job.shot)
    (job,) = planned(base, mask={"image": "mask.png", "content": "fill"})
    assert "Masked content: fill" in infotext.write(job.shot)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"mask": {"image": "small.png"}}, "mask.image: has no effect without init.image (name a picture)"),
        ({"mask": {"blur": 9}, **A}, "mask.blur: has no effect without mask.image or mask.outpaint"),
        ({"mask": {"image": "small.png"}, **A}, "'small.png': the mask has 8 x 8 pixels, and its picture 60 x 40"),
        ({"mask": {"image": "black.png"}, **A}, "mask.image: 'black.png': it paints nothing (white parts are painted"),
        (
            {"mask": {"image": "alpha"}, **A},
            "mask.image: 'photos/a.png' has no transparent part to paint (write",
        ),
        (
            {"mask": {"image": "alpha", "invert": True}, "init": {"image": "clear.png"}},
            "has only transparent parts, which",
        ),
        ({"mask": {"image": "photos"}, **A}, "names 2 pictures, and one is needed (as an axis write sweep: [{mask.im"),
        ({"mask": {"image": "none.png"}, **A}, "mask.image: there is no picture 'none.png'"),
        ({"mask": {"image": "broken.png"}, **A}, "mask.image: 'broken.png' is a damaged picture"),
        ({"mask": {"outpaint": {"left": 1.5}}, **A}, "mask.outpaint.left: 1.5 is neither a share (0 to 1) nor a whole"),
        ({"mask": {"outpaint": {"left": 9.5}}, **A}, "mask.outpaint.left: 9.5 is neither a share"),
        ({"mask": {"outpaint": {"left": -1}}, **A}, "mask.outpaint.left: -1"),
        ({"mask": {"outpaint": {"left": 8150}}, "canvas": ["init"], **A}, "has 8210 x 40 pixels"),
        ({"mask": {"image": "alpha", "content": "noise"}, **A}, "mask.content: 'noise' is not allowed"),
        (
            {"mask": {"image": "white.png"}, "init": A["init"] | {"strength": 0}},
            "mask.image: paints nothing, because init.strength is 0",
        ),
        (
            {"mask": {"outpaint": {"left": 0.5}}, **A, "sweep": [{"init.strength": [0]}]},
            "mask.outpaint: paints nothing, because init.strength is 0",
        ),
        (
            {"mask": {"image": "white.png", "padding": 8}, "hires": {"scale": 2}, **A},
            "hires.scale: cannot be combined with mask.padding",
        ),
        (
            {"mask": {"image": "white.png"}, "hires": {"scale": 2, "upscaler": "latent"}, **A},
            "hires.upscaler: latent cannot keep what is outside the mask",
        ),
        ({"sweep": [{"mask.image": ["black.png", "small.png"]}], **A}, "mask.image: 'small.png': the mask has 8 x 8"),
    ],
)
def test_mistakes_in_masks(data: dict[str, Any], said: str) -> None:
    Image.new("L", (60, 40)).save("black.png")
    Image.new("RGBA", (60, 40)).save("clear.png")
    Image.new("L", (60, 40), 255).save("white.png")
    Path("broken.png").write_bytes(Path("black.png").read_bytes()[:-20])
    assert said in "\n".join(map(str, problems(data)))


def test_both_strengths_are_in_the_infotext() -> None:
    (job,) = planned(A, canvas=["init"], hires={"scale": 2, "strength": 0.3})
    text = infotext.write(job.shot, job.passes)
    assert ", Denoising strength: 0.3," in text
    assert ", Init denoising strength: 0.6," in text


def test_photos_are_enlarged_without_words() -> None:
    names = {"output": {"names": "{init.image}"}, "init": {"image": "photos", "strength": 0}}
    jobs = list(planned(names, prompts=[{"id": "photo", "text": ""}], canvas=["init"], upscale={"scale": 2}))
    assert [(job.shot.prompt, job.size.width, job.size.height) for job in jobs] == [("", 120, 80), ("", 64, 96)]
    assert [Path(job.path).name.partition("-")[0] for job in jobs] == ["a", "b"]
    again = command.job_settings(jobs[0]) | {"input_folders": "photos", "model": {"kind": "fake"}}
    assert planned(again).ids == [jobs[0].id]


def test_masks_beside_pictures_without_them() -> None:
    """What has no effect, or is refused, for each job alone can stand beside others."""
    Image.new("L", (60, 40), 255).save("white.png")
    masked = {"mask": {"image": "white.png"}, "canvas": ["init"], **A}
    assert len(planned(masked, sweep=[{"init.strength": [0, 0.6]}])) == 2
    assert len(planned(masked, upscale={"scale": 2})) == 1
    zipped = {"mask.image": [None, "white.png"], "hires.scale": [2, 1]}
    assert len(planned(A, canvas=["init"], sweep=[zipped])) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"init": {"image": "photo"}},
            "in input_folders (inputs) (did you mean 'photos'?)",
        ),
        ({"init": {"image": "x.png"}}, "init.image: there is no picture 'x.png'"),
        ({"init": {"image": 5}}, "init.image: 5 is neither a text nor a list of texts"),
        ({"init": {"image": [5]}}, "init.image[0]: 5 is not text (quote it)"),
        ({"control": [{"net": "a", "image": 5}]}, "control[0].image: 5 is neither a text nor a list of texts"),
        ({"init": {"strength": 0.3}}, "init.strength: has no effect without init.image (name a picture)"),
        ({"sweep": [{"init.strength": [0.1]}]}, "init.strength: has no effect without init.image"),
        ({"init": {"image": "photos", "strength": 2}}, "init.strength: 2 is out of range 0–1"),
        ({"init": {"image": "photos", "resize": "crop"}}, "init.resize: "),
        ({"init": {"image": "photos", "strength": [0.1, 0.2]}}, "for several values write sweep"),
        ({"canvas": ["init"]}, "canvas: is init, the size of init.image, which is not set"),
        ({"canvas": ["init"], "init": {"image": "small.png"}}, "canvas: 'small.png' has 8 x 8 pixels; sides are 16–"),
        ({"canvas": ["init"], "sweep": [{"init.image": [None, "photos"]}]}, "canvas: is init"),
        ({"init": {"image": "photos"}, "sweep": [{"init.image": ["small.png"]}]}, "is already an axis"),
        ({"sweep": [{"init.image": [3]}]}, "sweep[0].init.image[0]: 3 is not the name of a picture"),
        ({"sweep": [{"init.image": [""]}]}, "sweep[0].init.image[0]: "),
        ({"sweep": [{"init.image": ["~nobody-here/a.png"]}]}, "sweep[0].init.image[0]: "),
        ({"sweep": [{"init.image": ["a" * 300]}]}, "is not a name of a file or folder"),
        ({"sweep": [{"mask.image": ["a\0b"]}]}, "sweep[0].mask.image[0]: "),
        ({"sweep": [{"init.image": []}]}, "sweep[0].init.image: "),
        ({"sweep": [{"init.folder": ["a"]}]}, "sweep[0].init.folder: unknown key"),
        ({"sweep": [{"init.image": ["photos/c.png", "small.png"]}]}, "sweep[0].init.image[0]: there is no picture"),
        ({"init": {"images": "a"}}, "init.images: unknown key (did you mean 'image'?)"),
    ],
)
def test_mistakes(data: dict[str, Any], said: str) -> None:
    assert said in "\n".join(map(str, problems(data)))
