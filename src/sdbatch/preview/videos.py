"""Previews of videos: a plot of the schedules and the camera over a test card, drawn in seconds without a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from sdbatch import motion
from sdbatch.media import png
from sdbatch.media.compositing import compose
from sdbatch.media.video_writer import VideoWriter
from sdbatch.preview.camera import camera_preview, captioned, captions
from sdbatch.preview.plot import curves
from sdbatch.spec.jobs import Encoding, Job

SIDE = 320  # pixels
MAX_FRAMES = 480  # a longer video is previewed with every n-th frame, at the same speed
MAX_PREVIEWS = 12  # a sweep over motions can have hundreds


def write_previews(jobs: Iterable[Job], folder: Path) -> Iterator[Path]:
    """Write curves (PNG) and camera (MP4) of every distinct motion and size among ``jobs``, at most 12; yield paths."""
    seen = set()
    for job in jobs:
        if job.video is None or (key := (job.video.motion, job.shot.width, job.shot.height)) in seen:
            continue
        seen.add(key)
        if len(seen) > MAX_PREVIEWS:
            return
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{len(seen):02d}-{job.video.motion.mode}-{job.shot.width}x{job.shot.height}"
        yield _curves(job, folder / f"{stem}.png")
        yield _camera(job, folder / f"{stem}.mp4")


def _curves(job: Job, path: Path) -> Path:
    path.write_bytes(png.encode(np.asarray(curves(job)), None, None))
    return path


def _camera(job: Job, path: Path) -> Path:
    assert job.video is not None
    frames, picture = camera_preview(job, SIDE)
    order = motion.looped(list(zip(frames, captions(job), strict=True)), job.video.motion)
    step = math.ceil(len(order) / MAX_FRAMES)
    first = compose(frames[0], picture)
    audio = job.video.encoding.audio
    sound = None if audio is None else (Path(audio.path), Fraction(len(order)) / job.video.motion.fps)
    size, fps = (first.shape[1], first.shape[0]), job.video.motion.fps / step
    with VideoWriter(path, size, fps, Encoding(), sound=sound) as video:
        for frame, text in order[::step]:
            video.add(captioned(compose(frame, picture), text))
    return path
