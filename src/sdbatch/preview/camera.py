"""What a video will do, without a model: its camera over a test card. Pure; ``plot`` draws its curves.

frames, picture = camera_preview(job, 320)           layers, and the card as each shot sees it
pixels = captioned(compose(frame, picture), captions(job)[i])
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

KEPT = 12  # pictures of the card in memory
CAMERA = ("zoom", "x", "y", "roll")


def camera_preview(job: Job, side: int = 320) -> tuple[list[Frame], Callable[[int], Plate]]:
    """The camera's way over the test card at about ``side`` pixels: frames as layers, and the card as shots.

    Every mode is shown as ``zoom`` draws it: that is what its camera asks for.
    """
    motion = camera_of(job)
    scale = side / max(job.shot.width, job.shot.height)
    width, height = (max(16, round(v * scale / 2) * 2) for v in (job.shot.width, job.shot.height))
    small = replace(job.shot, width=width, height=height)
    cameras = zoom.cameras(small, motion)

    @lru_cache(maxsize=KEPT)
    def picture(index: int) -> Plate:
        return Plate(card(cameras[index], (width, height), motion.target))

    return list(zoom.frames(small, motion)), picture


def camera_of(job: Job) -> Motion:
    """The video's motion in mode zoom with nothing but its camera."""
    if job.video is None:
        raise ValueError(f"{job.id} is not a video")
    motion: Motion = job.video.motion
    if motion.mode == "zoom":
        return motion
    keys = {name: getattr(motion, name) for name in CAMERA}
    return Motion(mode="zoom", seconds=motion.seconds, frames=motion.frames, fps=motion.fps, **keys)


def captions(job: Job) -> list[str]:
    """The time and the camera at every frame, in words."""
    motion = camera_of(job)
    curves = {name: motion.curve(name) for name in CAMERA}
    values = ({name: curve[i] for name, curve in curves.items()} for i in range(motion.count))
    return [_words(i / float(motion.fps), v) for i, v in enumerate(values)]


def _words(seconds: float, values: dict[str, float]) -> str:
    shown = [f"{name} {value:.3g}" for name, value in values.items() if name == "zoom" or abs(value) > 1e-9]
    return "  ".join([f"{seconds:.2f} s", *shown])


def captioned(pixels: Pixels, text: str) -> Pixels:
    """A frame with ``text`` written on it."""
    image = Image.fromarray(pixels)
    letters = ImageFont.load_default(max(10, pixels.shape[0] // 16))
    place = (6, pixels.shape[0] - 5)
    ImageDraw.Draw(image).text(place, text, "white", letters, "ld", stroke_width=2, stroke_fill="black")
    return np.asarray(image)
