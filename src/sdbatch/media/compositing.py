"""Composes frames from layers, and videos from jobs. Memory use does not grow with length. Does not know folders."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdbatch import motion
from sdbatch.errors import StoreError
from sdbatch.files import atomic
from sdbatch.imaging.warp import Plate, patch, warp
from sdbatch.media import png, xmp
from sdbatch.media.video_writer import VideoWriter
from sdbatch.spec.jobs import Frame, Job, Layer
from sdbatch.spec.renderer import Pixels
from sdbatch.spec.start import Camera


def compose(frame: Frame, picture: Callable[[int], Plate], finer: int = 1) -> Pixels:
    """A frame: the weighted sum of its layers, each seen through its camera; ``picture(i)`` is shot i.

    A layer with a seam is laid over those before it. A single layer of weight 1 is not computed with: seen straight on
    it is returned as it is, bit for bit. ``finer``: composed at that many times the size, then averaged.
    """
    first = _seen(frame[0], picture, finer)
    if len(frame) == 1 and frame[0].weight == 1:
        return _averaged(first, finer)
    total = first * np.float32(frame[0].weight)
    for layer in frame[1:]:
        if layer.seam:
            _blend(total, layer, picture(layer.shot))
        else:
            total += np.float32(layer.weight) * _seen(layer, picture, finer)
    return _averaged(total, finer)


def _seen(layer: Layer, picture: Callable[[int], Plate], finer: int) -> Pixels:
    plate = picture(layer.shot)
    fine = 1 if layer.camera == Camera() else finer  # without a camera, supersampling has no effect
    seen = warp(plate, layer.camera, (plate.size[0] * fine, plate.size[1] * fine))
    return seen if fine == finer else seen.repeat(finer, 0).repeat(finer, 1)


def _averaged(values: NDArray[Any], finer: int) -> Pixels:
    if finer > 1:
        height, width, _ = values.shape
        values = values.reshape(height // finer, finer, width // finer, finer, 3).mean((1, 3), dtype=np.float32)
    return values if values.dtype == np.uint8 else np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _blend(total: NDArray[np.float32], layer: Layer, plate: Plate) -> None:
    """Blend a picture into ``total`` where it is visible."""
    found = patch(plate, layer.camera, (total.shape[1], total.shape[0]), layer.seam)
    if found is not None:
        seen, cover, place = found
        total[place] += (seen - total[place]) * (cover * np.float32(layer.weight))


def assemble(  # noqa: PLR0913  (independent settings)
    job: Job,
    load_shot: Callable[[str], Pixels],
    path: Path,
    metadata: str | None,
    *,
    poster: Path | None = None,
    each: Callable[[int, Pixels], None] | None = None,
    sound: Path | None = None,
) -> int:
    """Write the video ``job`` to ``path``, frame by frame; returns the number of frames.

    ``load_shot`` gives the picture of a shot id. ``metadata`` is text for the container (None: none, and no mark).
    ``poster`` is a PNG of the first frame; ``each`` is shown every frame with its number.
    ``sound`` is the file of the video's sound. Whatever ``load_shot`` and
    ``each`` raise passes through and leaves no video; StoreError if a file cannot be written.
    """
    if job.video is None:
        raise ValueError(f"{job.id} is not a video")
    ids = motion.shot_ids(job)
    video, size = job.video, (job.size.width, job.size.height)
    frames, rate = motion.played(job)
    cycle = motion.count(job) if video.motion.loop else 0
    heard = None if sound is None else (sound, Fraction(frames, 1) / rate)
    with VideoWriter(path, size, video.motion.fps, video.encoding, metadata, cycle=cycle, sound=heard) as writer:
        plates: dict[int, Plate] = {}  # of one frame; the next frame needs most of them
        for frame in motion.frames(job):
            plates = {i: plates.get(i) or Plate(load_shot(ids[i])) for i in (layer.shot for layer in frame)}
            pixels = compose(frame, plates.__getitem__, video.encoding.supersample)
            if poster is not None and writer.frames == 0:
                _write(poster, png.encode(pixels, xmp=None if metadata is None else xmp.packet()))
            if each is not None:
                each(writer.frames, pixels)
            writer.add(pixels)
    return writer.frames


def _write(path: Path, data: bytes) -> None:
    try:
        atomic.write(path, [data])
    except OSError as e:
        raise StoreError(f"{path.name}: {e.strerror}") from e
