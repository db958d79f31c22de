"""What comes out of the encoder: in-between frames, colours, odd sizes, rates, every codec, poster and frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sdbatch import motion, video_reader
from sdbatch.media.compositing import assemble
from sdbatch.motion import zoom
from sdbatch.preview.test_card import Pixels, card
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Encoding, Job
from tests.motion.videos import BASE, settings, video


def made(job: Job, folder: Path, picture: Callable[[int], Pixels]) -> Path:
    index = {shot.id: i for i, shot in enumerate(motion.shots(job))}
    path = folder / Path(job.path).name
    assemble(job, lambda shot_id: picture(index[shot_id]), path, None)
    return path


def scene(job: Job) -> Callable[[int], Pixels]:
    cameras = zoom.cameras(job.shot, job.video.motion)
    return lambda i: card(cameras[i], (job.shot.width, job.shot.height))


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_makes_the_video(codec: str, tmp_path: Path) -> None:
    job = video("zoom", encoding=Encoding(codec, quality=10))
    path = made(job, tmp_path, scene(job))
    frames = list(video_reader.decode(path))
    assert len(frames) == 12
    first = np.abs(frames[0].astype(int) - card(zoom.cameras(job.shot, job.video.motion)[0], (48, 32)))
    assert first.mean() < 16


def test_odd_sizes_and_odd_rates(tmp_path: Path) -> None:
    job = video("zoom", replace(BASE, width=51, height=37), fps="24000/1001")
    facts = video_reader.probe(made(job, tmp_path, scene(job)))
    assert (facts.width, facts.height, facts.fps, facts.frames) == (52, 38, Fraction(24000, 1001), 12)


def test_frames_between_are_motion_compensated(tmp_path: Path) -> None:
    job = video("zoom", replace(BASE, width=96, height=64), Encoding(interpolate=3, quality=10), frames=12)
    path = made(job, tmp_path, scene(job))
    assert video_reader.probe(path)[2:] == (Fraction(72), 3 * 11 + 1)
    plain = made(video("zoom", job.shot, Encoding(quality=10)), tmp_path, scene(job))
    for n, (fine, coarse) in enumerate(
        zip(list(video_reader.decode(path))[::3], video_reader.decode(plain), strict=True)
    ):
        assert np.abs(fine.astype(int) - coarse).mean() < 6, n  # the last frame too


@pytest.mark.parametrize("frames", [2, 3, 12])
@pytest.mark.parametrize("loop", [True, "pingpong", False])
def test_frames_between_the_last_and_the_first_of_a_loop(frames: int, loop: bool | str, tmp_path: Path) -> None:
    turn = {"zoom": 1, "x": [[0, 0], ["50%", 0.2], ["end", 0]], "mode": "zoom", "frames": frames, "loop": loop}
    job = motion.make(replace(BASE, width=96, height=64), settings(**turn), Encoding(interpolate=3, quality=10))
    shown = video_reader.probe(made(job, tmp_path, scene(job))).frames
    assert shown == (3 * motion.count(job) if loop else 3 * (frames - 1) + 1)
    assert motion.played(job) == (shown, 3 * job.video.motion.fps)  # type: ignore[union-attr]


def test_the_join_of_a_loop_is_as_smooth_as_the_rest(tmp_path: Path) -> None:
    turn = {"zoom": 1, "x": [[0, 0], ["end", 0.3]], "mode": "zoom", "frames": 9, "loop": "pingpong"}
    job = motion.make(replace(BASE, width=96, height=64), settings(**turn), Encoding(interpolate=3, quality=5))
    frames = [f.astype(int) for f in video_reader.decode(made(job, tmp_path, scene(job)))]
    steps = [np.abs(a - b).mean() for a, b in pairwise([*frames, frames[0]])]
    assert steps[-1] < 1.5 * np.median(steps)


@pytest.mark.parametrize("encoding", [Encoding(), Encoding(interpolate=2), Encoding(supersample=2)], ids=str)
def test_a_grey_card_comes_back_grey(encoding: Encoding, tmp_path: Path) -> None:
    for grey in (1, 64, 128, 250):
        job = video("zoom", encoding=encoding)
        path = made(job, tmp_path, lambda _, v=grey: np.full((32, 48, 3), v, np.uint8))  # type: ignore[misc]
        for pixels in video_reader.decode(path):
            assert np.abs(pixels.mean((0, 1)) - grey).max() <= 1
