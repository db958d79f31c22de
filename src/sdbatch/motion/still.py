"""``still``: a picture. One shot, no video."""

from __future__ import annotations

from collections.abc import Iterator

from sdbatch.motion.mode import Mode
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Frame, Layer, Shot


def shots(base: Shot, _: Motion) -> Iterator[Shot]:
    """The picture's own shot."""
    yield base


def frames(_: Shot, __: Motion) -> Iterator[Frame]:
    """One frame that shows the picture."""
    yield (Layer(0),)


MODE = Mode(frozenset(), shots, frames)
