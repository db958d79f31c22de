"""Small jobs and pictures for the media tests."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdbatch import motion
from sdbatch.media.video_writer import VideoWriter
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Encoding, Job, Model, Shot
from sdbatch.spec.renderer import Pixels, Profile

Scene = Callable[..., Pixels]
MakeFilm = Callable[..., Path]


@pytest.fixture
def shot() -> Shot:
    return Shot(Model("b2:00ff"), "torii gate, sea", "clouds", 7, 64, 48, "dpmpp_2m_karras", 12, 6.0)


@pytest.fixture
def video_job(shot: Shot) -> Job:
    return motion.make(shot, Motion(mode="prompt", frames=6, phrase="{frame}"), Encoding(), "torii")


@pytest.fixture
def profile() -> Profile:
    return Profile("fake", versions=(("python", "3.11"),))


@pytest.fixture
def scene() -> Scene:
    """A coloured gradient with a moving bar: ``scene(i, width, height)``."""

    def make(i: int = 0, width: int = 64, height: int = 48) -> Pixels:
        y, x = np.mgrid[:height, :width]
        pixels = np.stack([x * 255 // width, y * 255 // height, 90 + 0 * x], axis=-1).astype(np.uint8)
        pixels[:, (3 * i) % width : (3 * i) % width + 4] = (250, 220, 30)
        return pixels

    return make


@pytest.fixture
def make_video(tmp_path: Path, scene: Scene) -> MakeFilm:
    """A finished video of moving bars."""

    def make(
        name: str = "a.mp4",
        *,
        size: tuple[int, int] = (64, 48),
        frames: int = 8,
        fps: Fraction = Fraction(24),
        codec: str = "h264",
        metadata: str | None = None,
    ) -> Path:
        path = tmp_path / name
        with VideoWriter(path, size, fps, Encoding(codec), metadata) as video:
            for i in range(frames):
                video.add(scene(i, *size))
        return path

    return make
