"""``still``: a picture. One shot, no video."""

from __future__ import annotations

from collections.abc import Iterator

from sdbatch.motion.mode import Mode
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Layer, Shot


def shots(base: Shot, _: Motion) -> Iterator[Shot]:
    """The picture."""
    yield base


def frames(_: Shot, __: Motion) -> Iterator[Frame]:
    """The picture, once."""
    yield (Layer(0),)


MODE = Mode(frozenset(), shots, frames)
