"""The dry run of videos: curves and the camera over a test card."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdbatch import motion, video_reader
from sdbatch.imaging.warp import warp
from sdbatch.media import png
from sdbatch.motion.settings import Motion
from sdbatch.preview.camera import camera_preview, captioned, captions
from sdbatch.preview.plot import curves
from sdbatch.preview.test_card import card
from sdbatch.preview.videos import write_previews
from sdbatch.spec.start import Camera
from tests.motion.videos import BASE, MOTIONS, video


@pytest.mark.parametrize("name", MOTIONS)
def test_curves_of_every_mode(name: str) -> None:
    picture = np.asarray(curves(video(name)))
    assert picture.shape[1] == 960
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_curves_by_depth_and_of_one_value() -> None:
    job = video("zoom", strength=[[1, 0.3], [3, 0.6]], guidance=7.5)
    assert np.asarray(curves(job)).shape[0] > np.asarray(curves(video("zoom"))).shape[0]


@pytest.mark.parametrize("name", MOTIONS)
def test_the_rehearsal_has_every_frame(name: str) -> None:
    job = video(name)
    frames, picture = camera_preview(job, 64)
    assert len(frames) == job.video.motion.count
    assert {picture(layer.shot).size for frame in frames for layer in frame} == {(64, 42)}


def test_every_distinct_motion_and_shape_is_drawn_once(tmp_path: Path) -> None:
    wide = replace(BASE, width=64, height=32)
    jobs = [
        video("out"),
        video("out", replace(BASE, seed=9)),
        video("out", wide),
        motion.make(BASE, Motion(), video().video.encoding),
    ]
    made = list(write_previews(jobs, tmp_path / "preview"))
    assert [p.name for p in made] == [f"{n}.{e}" for n in ("01-zoom-48x32", "02-zoom-64x32") for e in ("png", "mp4")]
    assert png.decode(made[0]).shape[1] == 960
    assert video_reader.probe(made[1]) == (320, 214, Fraction(24), 10)


def test_of_a_long_video_some_frames_are_rehearsed_at_its_pace(tmp_path: Path) -> None:
    _, moving = write_previews([video("prompt", frames=1000)], tmp_path)
    facts = video_reader.probe(moving)
    assert facts.frames == 334
    assert facts.frames / float(facts.fps) == pytest.approx(1000 / 24, rel=0.01)


def test_captions_say_when_and_what() -> None:
    said = captions(video("pingpong", frames=10_000))
    assert len(said) == 10_001  # to the turning point
    assert (said[0], said[-1]) == ("0.00 s  zoom 1", "416.67 s  zoom 3  roll 15")


def test_words_of_the_plot_stay_in_their_bars() -> None:
    words = [[1, "a very long text " * 9], [2, "b"], [2.9, "another text that is too long for its place " * 3]]
    picture = np.asarray(curves(video("zoom", prompts=words)).convert("L"))
    assert (picture[:-44, 930:] > 60).all()  # nothing is written beyond the end (the axis is)


def test_the_card_is_the_same_scene_at_every_zoom() -> None:
    far, near = card(Camera(), (192, 128)), card(Camera(2, 0.05, -0.02, 20), (192, 128))
    seen = warp(far, Camera(2, 0.05, -0.02, 20), (192, 128))
    assert np.corrcoef(seen.ravel(), near.ravel())[0, 1] > 0.85
    assert near.std() > 25


def test_the_caption_of_a_tall_picture_is_not_cut_off() -> None:
    """9:16: a font as high as that of a landscape picture would be wider than the picture."""
    for height, width in ((512, 288), (288, 512)):
        black = np.zeros((height, width, 3), np.uint8)
        changed = captioned(black, "12.50 s  zoom 1.25  x -0.125  roll 12.5").any(axis=-1)
        columns = np.flatnonzero(changed.any(axis=0))
        assert columns[0] > 0
        assert columns[-1] < width - 3
