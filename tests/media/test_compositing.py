"""Frames from layers, videos from jobs."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdbatch import motion, video_reader
from sdbatch.errors import StoreError
from sdbatch.imaging import warp
from sdbatch.imaging.warp import Plate
from sdbatch.media import compositing, png, xmp
from sdbatch.spec.jobs import Job, Layer
from sdbatch.spec.renderer import Pixels
from sdbatch.spec.start import Camera

Scene = Callable[..., Pixels]


def test_one_picture_seen_straight_on_is_that_picture(scene: Scene) -> None:
    pixels = scene()
    assert compositing.compose((Layer(3),), lambda _: Plate(pixels)) is pixels


def test_one_picture_through_a_camera_is_the_warp(scene: Scene) -> None:
    seen = compositing.compose((Layer(0, Camera(zoom=1.5, roll=10)),), lambda _: Plate(scene()))
    assert np.array_equal(seen, warp.warp(scene(), Camera(zoom=1.5, roll=10), (64, 48)))


def test_layers_are_a_weighted_sum_rounded_once() -> None:
    pictures = [Plate(np.full((4, 4, 3), v, np.uint8)) for v in (100, 201, 255)]
    frame = (Layer(0, weight=0.5), Layer(1, weight=0.5))
    assert (compositing.compose(frame, pictures.__getitem__) == 150).all()  # 150.5 rounds to even
    assert (compositing.compose((Layer(2, weight=0.25), Layer(2, weight=0.75)), pictures.__getitem__) == 255).all()
    assert (compositing.compose((Layer(2, weight=1.0), Layer(1, weight=1.0)), pictures.__getitem__) == 255).all()
    assert compositing.compose(frame, pictures.__getitem__).dtype == np.uint8


def test_a_job_becomes_its_video(video_job: Job, scene: Scene, tmp_path: Path) -> None:
    ids = [shot.id for shot in motion.shots(video_job)]
    asked: list[str] = []

    def load(shot_id: str) -> Pixels:
        asked.append(shot_id)
        return scene(ids.index(shot_id))

    path, poster = tmp_path / "a.mp4", tmp_path / "a.png"
    assert compositing.assemble(video_job, load, path, '{"a":1}', poster=poster) == 6
    assert asked == ids
    assert video_reader.probe(path) == video_reader.Facts(64, 48, Fraction(24), 6)
    assert video_reader.read_metadata(path) == '{"a":1}'
    assert np.array_equal(png.decode(poster), scene(0))
    assert xmp.SOURCE_TYPE in png.read_text(poster)[png.XMP_KEY]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.png"]


def test_metadata_none_leaves_no_mark_anywhere(video_job: Job, scene: Scene, tmp_path: Path) -> None:
    compositing.assemble(video_job, lambda _: scene(), tmp_path / "a.mp4", None, poster=tmp_path / "a.png")
    assert png.read_text(tmp_path / "a.png") == {}
    assert video_reader.read_metadata(tmp_path / "a.mp4") is None


def test_a_picture_used_again_is_loaded_once(video_job: Job, scene: Scene, tmp_path: Path) -> None:
    assert video_job.video is not None
    still = video_job.video.motion.model_copy(update={"phrase": "same", "frames": 40})
    job = replace(video_job, video=replace(video_job.video, motion=still))
    asked: list[str] = []
    compositing.assemble(job, lambda shot_id: asked.append(shot_id) or scene(), tmp_path / "a.mp4", None)  # type: ignore[func-returns-value]
    assert len(asked) == 1


def test_memory_holds_a_few_pictures_however_long_the_video(video_job: Job, scene: Scene, tmp_path: Path) -> None:
    assert video_job.video is not None
    longer = video_job.video.motion.model_copy(update={"frames": 40})
    job = replace(video_job, video=replace(video_job.video, motion=longer))
    loaded: list[weakref.ref[Pixels]] = []
    alive: list[int] = []

    def load(_: str) -> Pixels:
        pixels = scene()
        loaded.append(weakref.ref(pixels))
        alive.append(sum(ref() is not None for ref in loaded))
        return pixels

    compositing.assemble(job, load, tmp_path / "a.mp4", None)
    assert len(loaded) == 40
    assert max(alive) <= 2 + 1  # of two frames, and the one that is being loaded


def test_a_shot_that_is_missing_leaves_no_video(video_job: Job, tmp_path: Path) -> None:
    def load(shot_id: str) -> Pixels:
        raise ValueError(f"{shot_id}: truncated PNG")

    with pytest.raises(ValueError, match="truncated"):
        compositing.assemble(video_job, load, tmp_path / "a.mp4", "x", poster=tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_poster_that_cannot_be_written_is_a_store_error(video_job: Job, scene: Scene, tmp_path: Path) -> None:
    poster = tmp_path / "a.png"
    poster.mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        compositing.assemble(video_job, lambda _: scene(), tmp_path / "a.mp4", None, poster=poster)
    assert list(tmp_path.rglob("*")) == [poster]


def test_a_picture_is_not_a_video(video_job: Job, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a video"):
        compositing.assemble(
            replace(video_job, video=None), lambda _: np.zeros((1, 1, 3), np.uint8), tmp_path / "a", None
        )
