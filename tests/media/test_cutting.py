"""Streams of frames that are joined."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sdbatch.media.cutting import joined, length
from sdbatch.spec.renderer import Pixels


def grey(*values: int) -> Iterator[Pixels]:
    return (np.full((2, 2, 3), v, np.uint8) for v in values)


def shown(frames: Iterator[Pixels]) -> list[int]:
    return [int(f[0, 0, 0]) for f in frames]


@pytest.mark.parametrize(
    ("fade", "expected"),
    [
        (0, [0, 0, 0, 90, 90, 90, 90, 30, 30, 30]),
        (1, [0, 0, 45, 90, 90, 60, 30, 30]),
        (2, [0, 30, 60, 70, 50, 30]),
    ],
)
def test_videos_follow_each_other_or_fade(fade: int, expected: list[int]) -> None:
    found = shown(joined([grey(0, 0, 0), grey(90, 90, 90, 90), grey(30, 30, 30)], fade))
    assert found == expected
    assert len(found) == length([3, 4, 3], fade)


def test_frames_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def watched(n: int) -> Iterator[Pixels]:
        for i in range(100):
            taken.append(n)
            yield np.full((1, 1, 3), i, np.uint8)

    stream = joined([watched(0), watched(1)], 4)
    for given in range(1, 190):
        next(stream)
        assert len(taken) <= given + 8
