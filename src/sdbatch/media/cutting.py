"""Joins streams of frames, with cuts or cross-fades. At most two fades' frames are in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sdbatch.spec.renderer import Pixels


def joined(videos: Sequence[Iterable[Pixels]], fade: int = 0) -> Iterator[Pixels]:
    """The frames of ``videos``, one after the other. The last ``fade`` frames of each are blended into the next."""
    held: deque[Pixels] = deque()
    for number, video in enumerate(videos, 1):
        before, held = held, deque()
        share, keep = 1 / (len(before) + 1), fade if number < len(videos) else 0
        for i, pixels in enumerate(video, 1):
            held.append(_mixed(before.popleft(), pixels, i * share) if before else pixels)
            if len(held) > keep:
                yield held.popleft()


def length(frames: Sequence[int], fade: int) -> int:
    """The number of frames of ``joined`` videos of so many frames each."""
    return sum(frames) - fade * (len(frames) - 1)


def _mixed(one: Pixels, other: Pixels, share: float) -> Pixels:
    mixed = one + (other.astype(np.float32) - one) * np.float32(share)
    return np.rint(mixed).astype(np.uint8)
