"""``task=cut``: videos of a plan, or files, in one film."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sdbatch import video_reader
from sdbatch.config.experiment import EncodingSettings
from sdbatch.media import metadata
from sdbatch.spec.codecs import CODECS
from sdbatch.tasks.cut import _scene, write
from tests.config.building import planned
from tests.sound.clicks import clicks, heard
from tests.tasks.conftest import DATA, Folder

FILM: dict[str, Any] = {
    "prompts": ["a sea", "a boat"],
    "seeds": [1],
    "motion": {"mode": "prompt", "frames": 6, "fps": 8, "phrase": "{t:.1f}"},
    "encoding": {"quality": 5},
}


def test_the_videos_of_a_plan_are_rendered_and_joined(folder: Folder) -> None:
    clicks(folder.root / "beat.wav")
    assert folder.run(**FILM, task="cut") == 0
    assert "2 rendered" in folder.out
    assert "cut: outputs/little/cuts/little.mp4 (2 videos, 12 frames, 1.50 s)" in folder.out
    film = folder.path("cuts/little.mp4")
    scenes = [video_reader.decode(folder.store.root / r.path) for r in _records(folder)]
    pairs = list(zip([f for scene in scenes for f in scene], video_reader.decode(film), strict=True))
    assert max(np.abs(a.astype(int) - b).mean() for a, b in pairs) < 6
    about = metadata.read(film)["cut"]
    assert [(v["id"], v["file"], v["frames"]) for v in about["videos"]] == [(r.id, r.file, 6) for r in _records(folder)]
    assert json.loads(film.with_suffix(".json").read_text())["cut"] == about

    before = folder.tree()
    assert folder.run(**FILM, task="cut") == 0
    assert "the same bytes as before" in folder.out
    assert folder.run(**FILM, task="prune", prune={"apply": True}) == 0
    assert folder.tree() == before
    assert "is cut from other videos (reproduce those, then use task=cut)" in folder.wrong(
        task="reproduce", source=str(film)
    )

    named = {"cut": {"fade": 0.25, "name": "faded"}, "encoding": FILM["encoding"] | {"audio": "beat.wav"}}
    ids = [r.id for r in _records(folder)]
    named["cut"] |= {"videos": [ids[1], str(folder.path("videos/*.mp4")), ids[0]]}
    assert folder.run(task="cut", prompts=[], **named) == 0
    assert "(3 videos, 14 frames, 1.75 s)" in folder.out
    faded = folder.path("cuts/faded.mp4")
    assert video_reader.probe(faded)[2:] == (Fraction(8), 14)
    assert heard(faded)[1] == pytest.approx([0.5, 1.0, 1.5], abs=0.002)
    assert sorted(p.name for p in faded.parent.iterdir()) == ["faded.json", "faded.mp4", "little.json", "little.mp4"]


def test_processes_that_write_the_same_film(folder: Folder) -> None:
    """None disturbs another one, and what a dead one left is removed."""
    assert folder.run(**FILM) == 0
    scenes = [_scene(folder.store.file(record)) for record in _records(folder)]
    path = folder.store.root / "cuts/film.mp4"
    path.parent.mkdir()
    (path.parent / ".new-film.mp4.7.mp4").write_bytes(b"half")
    encoding = EncodingSettings().encoding()
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(write, scenes, 0, path, encoding, True) for _ in range(2)]
        assert sorted(run.result() for run in runs) == [False, True], "the second one found the same bytes"
    assert sorted(p.name for p in path.parent.iterdir()) == ["film.json", "film.mp4"]


def test_seeds_are_not_drawn_for_what_cannot_be_joined(folder: Folder) -> None:
    said = folder.wrong(**FILM | {"seeds": "random"}, task="cut", cut={"fade": 9})
    assert "cut.fade: 9 s are 72 frames, too long" in said


def test_scenes_of_a_sweep(folder: Folder) -> None:
    """Prompts that only the sweep names are the experiment's as well."""
    scenes = [{"prompts": ["a sea", "a boat"], "motion.phrase": ["{t:.1f}", "at {t:.1f}"]}]
    more = FILM | {"prompts": [], "sweep": scenes}
    assert folder.run(**more, task="cut") == 0
    assert "(2 videos, 12 frames, 1.50 s)" in folder.out
    assert folder.run(**more, task="verify", verify={"sample": 0}) == 0
    assert "2 of 2 jobs recorded" in folder.out
    assert folder.run(**more, task="prune") == 0
    assert "nothing to remove" in folder.out


def _records(folder: Folder) -> list[Any]:
    return list(folder.store.ledger().records())


@pytest.mark.parametrize("codec", ["vp9", "gif"])
def test_another_codec(folder: Folder, codec: str) -> None:
    assert folder.run(**FILM, task="cut", output={"metadata": "none"}) == 0
    names = [p.name for p in (folder.store.root / "cuts").iterdir()]
    assert names == ["little.mp4"]
    more = {"encoding": {"codec": codec}, "prompts": []}
    assert folder.run(task="cut", **more) == 0
    film = folder.path(f"cuts/little.{CODECS[codec].suffix}")
    assert len(list(video_reader.decode(film))) == 12
    assert len(metadata.read(film)["cut"]["videos"]) == 2


def test_what_cannot_be_joined_is_named(folder: Folder) -> None:
    assert "cut.videos: the plan has no videos" in folder.wrong(task="cut")
    assert folder.run(**FILM) == 0
    alone = {"task": "cut", "prompts": []}
    ids = [r.id for r in _records(folder)]
    for cut, says in (
        ({"fade": 0.75}, "cut.fade: 0.75 s are 6 frames, too long for"),
        ({"fade": 0.5, "videos": [*ids, ids[0]]}, "cut.fade: 0.5 s are 4 frames, too long for"),
        ({"videos": ids[:1]}, "1 videos: two or more are needed"),
        ({"videos": ["nothing.mp4", ids[0]]}, "'nothing.mp4' is neither an id nor a readable file"),
        ({"videos": ["~nouser/x.mp4", ids[0]]}, "cut.videos: '~nouser/x.mp4': there is no such user"),
        ({"videos": ["j0123456789abcdef", ids[0]]}, "j0123456789abcdef is not rendered in"),
        ({"videos": ["outputs/little/plan.jsonl.mp4"]}, "is neither an id nor a readable file"),
    ):
        assert says in folder.wrong(**alone, cut=cut)
    (folder.root / "bad.mp4").write_bytes(b"x" * 1000)
    assert "'bad.mp4': damaged video" in folder.wrong(**alone, cut={"videos": ["bad.mp4", *ids]})
    wide = FILM | {"canvas": ["64x32"], "motion": FILM["motion"] | {"fps": 12}, "name": "wide"}
    assert folder.run(**wide) == 0
    other = sorted(folder.root.glob("outputs/wide/videos/*.mp4"))[0]
    text = folder.wrong(**alone, cut={"videos": [*ids, str(other)]})
    assert "has 64x32 at 12 fps, the first 48x32 at 8 fps" in text
    assert "encoding.audio: gif files hold no sound" in folder.wrong(
        **alone, encoding={"codec": "gif", "audio": str(clicks(folder.root.parent / "a.wav"))}
    )


def test_what_cannot_be_joined_is_named_before_anything_is_rendered(folder: Folder) -> None:
    ids = planned(DATA | FILM).ids
    still = planned(DATA | FILM | {"motion": {}}).ids[0]
    (folder.root / "bad.mp4").write_bytes(b"x" * 1000)
    looped = FILM["motion"] | {"loop": "pingpong"}
    for more, says in (
        ({"cut": {"fade": 9}}, "cut.fade: 9 s are 72 frames, too long for a-sea-s1-"),
        ({"cut": {"fade": 1.5}, "motion": looped, "encoding": {"interpolate": 2}}, "24 frames, too long for a-sea-s1"),
        ({"cut": {"videos": ["foo"]}}, "cut.videos: 'foo' is neither an id nor a readable file"),
        ({"cut": {"videos": [ids[0], "bad.mp4"]}}, "'bad.mp4': damaged video"),
        ({"cut": {"videos": [ids[0], still]}}, f"{still} is not rendered in"),
        ({"cut": {"videos": [ids[0]]}}, "1 videos: two or more are needed"),
        ({"canvas": ["48x32", "64x32"]}, "has 64x32 at 8 fps, the first 48x32 at 8 fps"),
        ({"sweep": [{"motion.fps": [8, 12]}]}, "has 48x32 at 12 fps, the first 48x32 at 8 fps"),
        ({"sweep": [{"motion.mode": ["prompt", "still"]}], "cut": {"videos": [ids[0], still]}}, "is a picture"),
    ):
        assert says in folder.wrong(**FILM | more, task="cut")
        assert not (folder.root / "outputs").exists(), says


def test_a_planned_video_is_what_is_rendered(folder: Folder) -> None:
    """Loops and interpolated frames count, so the longest fade is known before, and is that of the files."""
    more = FILM | {"motion": FILM["motion"] | {"loop": "pingpong"}, "encoding": {"interpolate": 2}}
    assert folder.run(**more, task="cut", cut={"fade": 1.4375}) == 0
    assert "(2 videos, 25 frames, 1.56 s)" in folder.out
    assert {video_reader.probe(folder.store.root / r.path).frames for r in _records(folder)} == {24}
