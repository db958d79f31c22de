"""The preview of a video's camera over a test card, without a model. Pure. ``plot`` draws its schedules.

frames, picture = camera_preview(job, 320)  # layers, and the test card seen by each shot
pixels = captioned(compose(frames[i], picture), captions(job)[i])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sdbatch.imaging.warp import Plate
from sdbatch.motion import zoom
from sdbatch.motion.settings import Motion
from sdbatch.preview.test_card import Pixels, card
from sdbatch.spec.jobs import Frame, Job

CACHED = 12  # pictures of the test card in memory
CAMERA = ("zoom", "x", "y", "roll")


def camera_preview(job: Job, side: int = 320) -> tuple[list[Frame], Callable[[int], Plate]]:
    """Frames as layers, and a function from a layer's shot to the test card as that shot sees it.

    The longer side is about ``side`` pixels. Every mode is previewed as mode ``zoom`` with the same camera. Raises
    ValueError if the job is a picture.
    """
    motion = camera_motion(job)
    scale = side / max(job.shot.width, job.shot.height)
    width, height = (max(16, round(v * scale / 2) * 2) for v in (job.shot.width, job.shot.height))
    small = replace(job.shot, width=width, height=height)
    cameras = zoom.cameras(small, motion)

    @lru_cache(maxsize=CACHED)
    def picture(index: int) -> Plate:
        return Plate(card(cameras[index], (width, height), motion.target))

    return list(zoom.frames(small, motion)), picture


def camera_motion(job: Job) -> Motion:
    """The video's motion in mode zoom, reduced to its camera. Raises ValueError if the job is a picture."""
    if job.video is None:
        raise ValueError(f"{job.id} is not a video")
    return camera_motion_of(job.video.motion)


def camera_motion_of(motion: Motion) -> Motion:
    """``motion`` in mode zoom, reduced to its camera."""
    if motion.mode == "zoom":
        return motion
    keys = {name: getattr(motion, name) for name in CAMERA}
    length = {name: getattr(motion, name) for name in ("seconds", "frames", "fps", "loop")}
    return Motion(mode="zoom", **length, **keys)


MARGIN = 6  # pixels beside a caption


def captions(job: Job) -> list[str]:
    """A caption for every frame: its time and its camera, such as ``1.50 s  zoom 1.2``."""
    motion = camera_motion(job)
    curves = {name: motion.curve(name) for name in CAMERA}
    values = ({name: curve[i] for name, curve in curves.items()} for i in range(motion.count))
    return [_caption(i / float(motion.fps), v) for i, v in enumerate(values)]


def _caption(seconds: float, values: dict[str, float]) -> str:
    parts = [f"{name} {value:.3g}" for name, value in values.items() if name == "zoom" or abs(value) > 1e-9]
    return "  ".join([f"{seconds:.2f} s", *parts])


def captioned(pixels: Pixels, text: str) -> Pixels:
    """``pixels`` (height, width, 3) with ``text`` at the bottom left."""
    image = Image.fromarray(pixels)
    height, width = pixels.shape[:2]
    size = max(10, height // 16)
    length = ImageFont.load_default(size).getlength(text)
    fitting = int(size * (width - 2 * MARGIN) / length)  # smaller in tall pictures
    font = ImageFont.load_default(max(6, min(size, fitting)))
    position = (MARGIN, height - 5)
    ImageDraw.Draw(image).text(position, text, "white", font, "ld", stroke_width=2, stroke_fill="black")
    return np.asarray(image)
