"""Every task with a film that follows a user's video: the fake renderer, real files."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from sdbatch import motion, video_reader
from sdbatch.gallery import command
from sdbatch.media import metadata
from sdbatch.plan import parse
from tests.clips import moving
from tests.config.building import planned
from tests.tasks.conftest import Folder

DATA: dict[str, Any] = {
    "prompts": ["a sea"],
    "seeds": [0],
    "canvas": ["init"],
    "init": {"video": "clip.mp4", "strength": 0.3},
    "motion": {"mode": "feedback", "cadence": 1, "follow": 0.7},
}


@pytest.fixture
def rendered(folder: Folder) -> Folder:
    """A film that follows clip.mp4, 96 x 64, 12 frames."""
    moving(folder.root / "clip.mp4", 12)
    assert folder.run(**DATA) == 0
    return folder


def frames(path: Path) -> list[np.ndarray]:
    return [pixels.astype(float) for pixels in video_reader.decode(path)]


def likeness(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """The mean correlation of frames, without what all frames of a film share."""
    changes = [[f - np.mean(film, axis=0) for f in film] for film in (a, b)]
    return float(np.mean([np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(*changes, strict=True)]))


def ids_of(crate: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs of a crate's experiment."""
    monkeypatch.chdir(crate)
    return list(planned(yaml.safe_load((crate / "experiment.yaml").read_text())).ids)


def test_the_film_has_the_length_the_rate_and_the_movement_of_the_video(rendered: Folder) -> None:
    made = rendered.path("videos/*.mp4")
    assert video_reader.probe(made) == video_reader.probe(rendered.root / "clip.mp4")
    film, clip = frames(made), frames(rendered.root / "clip.mp4")
    assert likeness(film, clip) > likeness(film, clip[6:] + clip[:6]) + 0.3
    found = metadata.read(made)["job"]
    picture = found["shot"]["init"]["picture"]
    assert picture["clip"] == {"frames": 12, "rate": 12.0}
    assert found["pictures"] == {picture["digest"]: "clip.mp4"}


def test_it_is_verified_and_reproduced_wherever_the_video_is(rendered: Folder) -> None:
    path = rendered.path("videos/*.mp4")
    assert rendered.run(task="verify", **DATA) == 0
    assert rendered.run(task="reproduce", source=str(path)) == 0
    assert "bit-equal" in rendered.out
    (rendered.root / "moved").mkdir()
    (rendered.root / "clip.mp4").rename(rendered.root / "moved/other.mp4")
    assert "input_folders: clip.mp4 (b2:" in rendered.wrong(task="reproduce", source=str(path))
    assert rendered.run(task="reproduce", source=str(path), input_folders="moved") == 0
    assert "bit-equal" in rendered.out


def test_a_restart_and_company_give_the_same_bits(rendered: Folder) -> None:
    """The second run finds some of the shots; in the other folder a film at another place of the video is rendered."""
    path = rendered.path("videos/*.mp4")
    whole = path.read_bytes()
    shots = sorted(path.parent.parent.glob("shots/*/**/*.png"))
    assert len(shots) == 12
    for lost in (path, *shots[::3]):
        lost.unlink()
    assert rendered.run(**DATA) == 0
    assert path.read_bytes() == whole
    together = {"name": "two", "sweep": [{"motion.follow": [0.2, 0.7]}, {"motion.fps": [12, 24]}]}
    assert rendered.run(**DATA | together) == 0
    assert (rendered.root / "outputs/two/videos" / path.name).read_bytes() == whole


def test_a_final_follows_more(rendered: Folder) -> None:
    chosen = {"jobs": [rendered.path("videos/*.mp4").name], "set": {"motion.follow": 1.0}}
    assert rendered.run(task="final", final=chosen) == 0
    (made,) = (rendered.root / "outputs").glob("*-final/videos/*.mp4")
    clip = frames(rendered.root / "clip.mp4")
    assert likeness(frames(made), clip) > likeness(frames(rendered.path("videos/*.mp4")), clip)


def test_a_crate_contains_the_video_and_is_checked(rendered: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = {"licence": "CC0-1.0", "authors": [{"name": "A. Painter"}]}
    assert rendered.run(task="publish", publish=publish, **DATA) == 0
    crate = rendered.root / "publish/little"
    assert (crate / "inputs/clip.mp4").read_bytes() == (rendered.root / "clip.mp4").read_bytes()
    rendered_id = metadata.read(rendered.path("videos/*.mp4"))["job"]["id"]
    (rendered.root / "clip.mp4").unlink()
    assert rendered.run(task="check", source=str(crate)) == 0
    assert ids_of(crate, monkeypatch) == [rendered_id]


def test_a_folder_of_frames(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture is a frame; tasks find every one by its digest."""
    moving(folder.root / "clip.mp4", 12)
    (folder.root / "frames").mkdir()
    for n, pixels in enumerate(video_reader.decode(folder.root / "clip.mp4")):
        Image.fromarray(pixels).save(folder.root / f"frames/{n}.png")  # 10.png is behind 9.png
    data = DATA | {"init": {"video": "frames", "strength": 0.3}, "motion": DATA["motion"] | {"fps": 8}}
    assert folder.run(**data) == 0
    path = folder.path("videos/*.mp4")
    film, clip = frames(path), frames(folder.root / "clip.mp4")
    assert video_reader.probe(path)[2:] == (Fraction(8), 12)
    assert likeness(film, clip) > likeness(film, clip[6:] + clip[:6]) + 0.3
    assert list(metadata.read(path)["job"]["pictures"].values()) == [f"frames/{n}.png" for n in range(12)]
    assert planned(data | {"init": {"video": "frames/*.png", "strength": 0.3}}).ids == planned(data).ids
    publish = {"licence": "CC0-1.0", "authors": [{"name": "A. Painter"}]}
    assert folder.run(task="publish", publish=publish, **data) == 0
    assert ids_of(folder.root / "publish/little", monkeypatch) == [metadata.read(path)["job"]["id"]]
    (folder.root / "frames").rename(folder.root / "moved")
    monkeypatch.chdir(folder.root)
    assert folder.run(task="check", source="publish/little") == 0
    assert "input_folders: 0.png (b2:" in folder.wrong(task="reproduce", source=str(path))
    assert folder.run(task="reproduce", source=str(path), input_folders="moved") == 0
    assert "bit-equal" in folder.out
    Image.new("RGB", (96, 60)).save(folder.root / "moved/5.png")
    moved = {"init": {"video": "moved", "strength": 0.3}}
    assert "init.video: 'moved' has frames of two sizes: 5.png has 96 x 60" in folder.wrong(**data | moved)


def test_frames_of_other_modes_and_rates(folder: Folder) -> None:
    """At 6 frames per second every second frame; each alone in mode prompt; ids do not depend on the file's name."""
    moving(folder.root / "clip.mp4", 12)
    own = {"motion": {"mode": "prompt", "fps": 6}}
    plan = planned(DATA | own)
    shots = motion.shots(plan[0])
    assert [s.init.picture.frame for s in shots if s.init] == [0, 2, 4, 6, 8, 10]
    (folder.root / "clip.mp4").rename(folder.root / "other.mp4")
    other = planned(DATA | own | {"init": {"video": "other.mp4", "strength": 0.3}})
    assert other.ids == plan.ids


@pytest.mark.parametrize("mask", [{"outpaint": {"right": 32}}, {"image": "mask.png"}])
def test_a_mask_applies_to_every_frame(folder: Folder, mask: dict[str, Any]) -> None:
    """What it keeps is the video's own frame."""
    moving(folder.root / "clip.mp4", 4)
    painted = np.zeros((64, 96), np.uint8)
    painted[40:] = 255
    Image.fromarray(painted).save(folder.root / "mask.png")
    kept = (slice(0, 40), slice(0, 96))
    own = {"motion": {"mode": "prompt"}, "mask": mask | {"blur": 0}, "output": {"frames": True}}
    assert folder.run(**DATA | own) == 0
    made = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.root.rglob("frames/**/*.png"))]
    clip = list(video_reader.at_rate(folder.root / "clip.mp4", (96, 64), Fraction(12)))
    assert len(made) == len(clip) == 4
    for frame, of_clip in zip(made, clip, strict=True):
        assert frame.shape == ((64, 128, 3) if "outpaint" in mask else (64, 96, 3))
        assert np.array_equal(frame[kept], of_clip[kept])
        assert np.array_equal(frame[40:, :96], of_clip[40:]) == ("outpaint" in mask)


@pytest.mark.parametrize("video", ["clip.mp4", "frames"])
def test_the_command_of_a_film_gives_the_same_job(folder: Folder, video: str) -> None:
    """Also if it has another rate than the video, and the job is read from a file."""
    moving(folder.root / "clip.mp4", 3)
    (folder.root / "frames").mkdir()
    for n, pixels in enumerate(video_reader.decode(folder.root / "clip.mp4")):
        Image.fromarray(pixels).save(folder.root / f"frames/{n}.png")
    control = [{"net": "tiny-canny", "video": video}]
    job = planned(DATA | {"init": {"video": video}, "control": control, "motion": {"mode": "prompt", "fps": 24}})[0]
    read = parse.job(json.loads(json.dumps({"id": job.id} | motion.job_spec(job))))
    for each in (job, read):
        assert planned(command.job_settings(each) | {"model": {"kind": "fake"}}).ids == [job.id]
        overrides = command.settings_overrides(each)
        assert {f"init.video={video}", 'motion.fps="24"'} <= set(overrides)
        assert f"control=[{{net:tiny-canny,video:{video}}}]" in overrides


def test_videos_are_axes(folder: Folder) -> None:
    """Each film has the length and the rate of its own; crates list all."""
    moving(folder.root / "a.mp4", 6)
    moving(folder.root / "b.mp4", 10, rate=5)
    data = {key: value for key, value in DATA.items() if key != "init"}
    data |= {"sweep": [{"init.video": ["a.mp4", "b.mp4"]}, {"motion.follow": [0.2, 0.7]}]}
    plan = planned(data)
    assert [dict(job.labels)["init.video"] for job in plan] == ["a", "a", "b", "b"]
    assert [(motion.count(job), job.video.motion.fps) for job in plan if job.video] == [(6, 12)] * 2 + [(10, 5)] * 2
    fixed = planned(data | {"motion": {"mode": "prompt", "seconds": 1}, "sweep": data["sweep"][:1]})
    assert [(motion.count(job), job.video.motion.fps) for job in fixed if job.video] == [(12, 12), (5, 5)]
    assert folder.run(task="plan", **data | {"init": {"video": "a.mp4"}, "sweep": []}) == 0
    assert re.search(r"^follows +a \(6 frames, 12 per second\)", folder.out, re.MULTILINE)


def test_videos_of_swept_controls(folder: Folder) -> None:
    moving(folder.root / "a.mp4", 6)
    moving(folder.root / "b.mp4", 10, rate=5)
    sweep = [{"control": [{"net": "tiny-canny", "video": name} for name in ("a.mp4", "b.mp4")]}]
    data = {"canvas": ["96x64"], "model": {"kind": "tiny"}, "motion": {"mode": "prompt"}, "sweep": sweep}
    assert [motion.count(job) for job in planned(data)] == [6, 10]
    lengths = [*sweep, {"motion.seconds": [1, 2]}]
    assert [motion.count(job) for job in planned(data | {"sweep": lengths})] == [12, 24, 5, 10]
    alone = [{"control": [None, *sweep[0]["control"]]}]
    assert "motion.seconds: a video of mode prompt needs a length" in folder.wrong(**data | {"sweep": alone})


def test_a_control_of_every_frame(folder: Folder) -> None:
    moving(folder.root / "clip.mp4", 12)
    control = [{"net": "tiny-canny", "video": "clip.mp4", "preprocess": "none"}]
    data = {"model": {"kind": "tiny"}, "control": control, "canvas": ["96x64"], "motion": {"mode": "prompt"}}
    job = planned(DATA | data | {"init": {}})[0]
    shots = motion.shots(job)
    assert [c.picture.frame for s in shots for c in s.controls if c.picture] == list(range(12))
    start = [{"net": "tiny-canny", "image": "init"}]  # every shot is controlled by the frame that it starts from
    seen = motion.shots(planned(DATA | data | {"control": start})[0])
    assert [s.init.picture.frame for s in seen if s.init and s.controls == seen[0].controls] == list(range(12))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"motion": {"mode": "still"}}, "motion.mode: still cannot follow init.video (write feedback, prompt or walk)"),
        ({"motion": {"mode": "zoom", "seconds": 1}}, "motion.mode: zoom cannot follow init.video"),
        ({"init": {"video": "clop.mp4"}}, "init.video: there is no video 'clop.mp4' in the working folder"),
        ({"init": {"video": "clip.mp4", "image": "a.png"}}, "init: image and video are both set"),
        ({"init": {"video": "empty"}}, "init.video: the folder 'empty' has no picture"),
        ({"init": {"video": "text.mp4"}}, "init.video: 'text.mp4' is not a video that can be read"),
        ({"mask": {"image": "alpha"}}, "mask.image: init.video has no alpha"),
        ({"mask": {"outpaint": {"right": 0.5}}}, "mask.outpaint: applies only to the first frame of a film"),
        ({"motion": {"mode": "feedback", "zoom": [[0, 1], ["3s", 2]]}}, "motion.zoom: '3s' is beyond the end"),
        ({"sweep": [{"init.image": ["a.png"]}]}, "init.image: is swept although init.video is set"),
        (
            {"init": {}, "sweep": [{"init.image": ["a.png"]}, {"init.video": ["clip.mp4"]}]},
            "init.image: is swept although init.video is swept",
        ),
        (
            {"init": {"image": "a.png"}, "sweep": [{"init.video": ["clip.mp4"]}]},
            "init.video: is swept although init.image is set",
        ),
        ({"sweep": [{"init.video": ["clip.mp4", "clop.mp4"]}]}, "sweep[0].init.video[1]: there is no video 'clop.mp4'"),
        ({"init": {}}, "motion.seconds: a video of mode feedback needs a length"),
    ],
)
def test_mistakes(folder: Folder, change: dict[str, Any], said: str) -> None:
    moving(folder.root / "clip.mp4", 12)
    (folder.root / "text.mp4").write_text("no video")
    (folder.root / "empty").mkdir()
    Image.new("RGB", (96, 64)).save(folder.root / "a.png")
    assert said in folder.wrong(**DATA | change)
