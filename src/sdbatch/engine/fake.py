"""A renderer without a model: deterministic coloured patterns in milliseconds, and faults on request.

For tests, and for trying out an experiment (``model=fake``). A picture is a function of the shot's id and, if the shot
starts from another one, of its parent's picture.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdbatch.config.model import Faults
from sdbatch.ffmpeg import encoder_build
from sdbatch.imaging.enlarge import lanczos
from sdbatch.imaging.warp import coverage, warp
from sdbatch.pictures.fit import mixed
from sdbatch.pictures.masks import painted, prepared
from sdbatch.spec.cost import unchanged
from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import Init
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture, Pixels, Profile

_WORDS_PER_CHUNK = 75
__all__ = ["FakeRenderer", "Faults", "draw"]
_Plane = NDArray[np.float32]


class FakeRenderer:
    """``delay``: seconds per shot; ``rows``: shots in flight at a time. Neither changes pixels."""

    def __init__(self, delay: float = 0.0, faults: Faults | None = None, rows: int = 4) -> None:
        self._delay = delay
        self._faults = faults or Faults()
        python = ".".join(map(str, sys.version_info[:3]))
        versions = (("python", python), ("numpy", version("numpy")), ("ffmpeg", encoder_build()))
        self._profile = Profile("fake", device="cpu", rows=rows, exact="equal", versions=versions)

    @property
    def profile(self) -> Profile:
        return self._profile

    @property
    def about(self) -> str:
        return f"fake renderer, {self._profile.rows} shots at a time"

    def bucket(self, shot: Shot) -> Bucket:
        chunks = max(1, -(-len(shot.prompt.split()) // _WORDS_PER_CHUNK)) if not unchanged(shot) else 0
        scale = shot.model.scale
        return Bucket(-(-shot.height // scale), -(-shot.width // scale), chunks, weights=shot.model.key)

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        """As the engine: several shots of one bucket in flight, another bucket once none of them is left."""
        in_flight: deque[Shot] = deque()
        bucket: Bucket | None = None
        while True:
            while (
                len(in_flight) < self._profile.rows and (shot := feed.take(bucket if in_flight else None)) is not None
            ):
                bucket = self.bucket(shot)
                in_flight.append(shot)
            if not in_flight:
                return
            yield self._result(in_flight.popleft(), feed)

    def close(self) -> None:
        """Nothing to release."""

    def _result(self, shot: Shot, feed: Feed) -> Picture | Failure:
        _sleep(self._delay)
        faults = self._faults
        if _hit(shot, faults.crash):
            raise RuntimeError("the fake renderer simulates a crash")
        for words, error in ((faults.fail, "simulated failure"), (faults.nan, "the picture is not finite (NaN)")):
            if _hit(shot, words):
                return Failure(shot, error)
        if _hit(shot, faults.memory):
            return Failure(shot, "out of memory")
        warnings = ("simulated warning",) if _hit(shot, faults.warn) else ()
        return Picture(shot, draw(shot, feed), warnings)


def _sleep(seconds: float) -> None:
    """In short parts: Linux may deliver a signal to another thread, and does not wake this one then."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.05))


def _hit(shot: Shot, words: tuple[str, ...]) -> bool:
    return any(word in shot.prompt or word in shot.id for word in words)


def draw(shot: Shot, feed: Feed | None = None) -> Pixels:
    """A gradient with three soft discs, derived from the id; blended into the picture that the shot starts from."""
    digest = blake2b(shot.id.encode(), digest_size=32).digest()
    values: _Plane = np.frombuffer(digest, np.uint8).astype(np.float32) / np.float32(255)
    y = np.arange(shot.height, dtype=np.float32)[:, None] / np.float32(shot.height)
    x = np.arange(shot.width, dtype=np.float32)[None] / np.float32(shot.width)
    ratio = np.float32(shot.height / shot.width)
    top, bottom, discs = values[:3], values[3:6], values[6:27].reshape(3, 7)
    picture: _Plane = top * (1 - y[..., None]) + bottom * y[..., None] + np.zeros_like(x)[..., None]
    for disc in discs:
        picture = _disc(picture, disc, x - disc[0], (y - disc[1]) * ratio)
    pixels: Pixels = np.rint(picture * 255).clip(0, 255).astype(np.uint8)
    if feed is not None and shot.init is not None:
        return _from_user(pixels, shot, shot.init, feed)
    return pixels if feed is None or shot.start is None else _from_parent(pixels, shot, feed)


def _disc(picture: _Plane, disc: _Plane, dx: _Plane, dy: _Plane) -> _Plane:
    radius = 0.05 + 0.2 * disc[2]
    edge = np.clip((radius - np.sqrt(dx * dx + dy * dy)) * 40, 0, 1)[..., None]
    blended: _Plane = picture * (1 - edge) + disc[3:6] * edge
    return blended


def _from_user(pixels: Pixels, shot: Shot, init: Init, feed: Feed) -> Pixels:
    """The user's picture, of which ``strength`` is replaced; known parts are unchanged."""
    seen, part = prepared(init, (shot.width, shot.height), feed.input)
    blend: Pixels = np.rint(seen * (1 - init.strength) + pixels * init.strength).astype(np.uint8)
    return blend if part is None else _paste(blend, seen, part)


def _from_parent(pixels: Pixels, shot: Shot, feed: Feed) -> Pixels:
    """As the engine: the parent's picture through its camera, partly replaced; known parts are unchanged."""
    start, size = shot.start, (shot.width, shot.height)
    assert start is not None
    parent = feed.picture(start.parent)
    if start.upscaler is not None:
        larger = lanczos(parent, size)
        anew = larger if not start.strength else ((larger.astype(np.uint16) * 3 + pixels) // 4).astype(np.uint8)
        if start.within is None or start.within.mask is None:
            return anew
        return _paste(anew, larger, painted(start.within, start.within.mask, size, feed.input))
    if start.colours:
        feed.picture(start.colours)
    seen = warp(parent, start.camera, size)
    if start.follow is not None:
        seen = mixed(seen, start.follow, feed.input)
    if start.paint:
        return _paste(seen, pixels, coverage(start.camera, (parent.shape[1], parent.shape[0]), size))
    blend: Pixels = ((seen.astype(np.uint16) * 3 + pixels) // 4).astype(np.uint8)
    if start.inlay is None:
        return blend
    inner, camera = feed.picture(start.inlay.shot), start.inlay.camera
    return _paste(warp(inner, camera, size), blend, coverage(camera, (inner.shape[1], inner.shape[0]), size))


def _paste(over: Pixels, under: Pixels, cover: NDArray[Any]) -> Pixels:
    laid: Pixels = np.where(cover[..., None] > 0, over, under)
    return laid
