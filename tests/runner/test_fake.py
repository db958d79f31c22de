"""The fake renderer: deterministic, and as careful with its feed as the engine must be."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from sdbatch.engine.fake import FakeRenderer, Faults, draw
from sdbatch.spec.renderer import Bucket, Failure, Picture
from sdbatch.spec.start import Start
from tests.runner.little import still


class Shots:
    """A feed over a list; remembers which buckets it was asked for."""

    def __init__(self, *shots) -> None:
        self.left = deque(shots)
        self.asked: list[Bucket | None] = []

    def take(self, bucket=None, but=()):
        self.asked.append(bucket)
        return self.left.popleft() if self.left else None

    def waiting(self):
        return {}

    def picture(self, shot_id):
        return np.full((24, 32, 3), 200, np.uint8)

    def input(self, picture):
        return np.full((24, 32, 3), 100, np.uint8)


def test_the_same_shot_is_the_same_picture_in_any_batch() -> None:
    shots = [still(i).shot for i in range(6)]
    alone = {s.id: draw(s) for s in shots}
    for rows in (1, 4):
        for result in FakeRenderer(rows=rows).render(Shots(*reversed(shots))):
            assert isinstance(result, Picture)
            assert np.array_equal(result.pixels, alone[result.shot.id])
    assert len({p.tobytes() for p in alone.values()}) == 6


def test_pictures_are_pictures() -> None:
    pixels = draw(replace(still(1).shot, width=100, height=60))
    assert (pixels.shape, pixels.dtype) == ((60, 100, 3), np.dtype(np.uint8))
    assert pixels.std() > 5


def test_a_chain_shows_its_parent() -> None:
    shot = replace(still(0).shot, start=Start("jparent", 0.5))
    (result,) = FakeRenderer().render(Shots(shot))
    assert np.array_equal(result.pixels, (600 + draw(shot).astype(int)) // 4)


def test_it_asks_for_its_bucket_while_it_has_shots_in_hand() -> None:
    feed = Shots(*(still(i).shot for i in range(3)))
    list(FakeRenderer(rows=2).render(feed))
    assert feed.asked[:2] == [None, Bucket(3, 4, 1, weights=still(0).shot.model.key)]


def test_long_prompts_are_another_bucket() -> None:
    assert FakeRenderer().bucket(still(0, prompt="word " * 80).shot).chunks == 2


@pytest.mark.parametrize("kind", ["fail", "nan", "memory"])
def test_faults_hit_what_they_name(kind: str) -> None:
    shots = [still(i, prompt=f"p{i}").shot for i in range(3)]
    faults = Faults(**{kind: ("p1",)})
    results = list(FakeRenderer(faults=faults).render(Shots(*shots)))
    assert [isinstance(r, Failure) for r in results] == [False, True, False]


def test_the_profile_does_not_depend_on_delays_and_faults() -> None:
    assert FakeRenderer(1.0, Faults(fail=("x",))).profile == FakeRenderer().profile
    assert FakeRenderer(rows=2).profile.digest != FakeRenderer().profile.digest
