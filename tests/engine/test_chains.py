"""Shots that start from another's picture have small calls of their own: a chain does not pay for rows it never has."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import policy
from sdbatch.engine.denoise import Row
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Picture, Profile
from sdbatch.spec.start import Camera, Start
from tests.engine.models import ListFeed, render, shot, source
from tests.engine.test_exact import digests


@pytest.fixture(scope="module")
def chained(folder: Path) -> Any:
    """As a GPU has it, here with 8 rows: chains in calls of 2."""
    return engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=8, chain_rows=2))


def chain(length: int, **changes: Any) -> list[Shot]:
    """A shot, and ``length`` more that each start from the one before."""
    shots = [shot(seed=50, steps=4, **changes)]
    for i in range(length):
        shots.append(shot(seed=51 + i, steps=4, start=Start(shots[-1].id, 0.5, Camera(zoom=1.1)), **changes))
    return shots


def sizes(opened: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every denoiser call from now on."""
    true, seen = opened.main.denoiser, []

    def call(rows: Sequence[Row], size: int) -> Any:
        seen.append(size)
        return true(rows, size)

    monkeypatch.setattr(opened.main, "denoiser", call)
    return seen


def test_a_chain_is_called_with_two_rows(chained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = sizes(chained, monkeypatch)
    found = render(chained, chain(3))
    assert all(isinstance(result, Picture) for result in found.values())
    assert min(seen[:4]) > 2  # the first shot is an ordinary one
    assert seen[4:] == [2] * (3 * 2)  # half of the steps of each of the rest


def test_its_bits_depend_on_the_shot_alone(chained: Any) -> None:
    videos = [chain(2), chain(2, guidance=1.0, prompt="red boat"), chain(2, guidance_interval=(0.0, 0.4), width=80)]
    stills = [shot(seed=i, steps=2 + i % 5, guidance=1.0 + i % 2) for i in range(9)]
    together = digests(chained, [*stills, *(s for video in videos for s in video)])
    for video in videos:
        alone = digests(chained, video)
        assert alone == {key: together[key] for key in alone}


def test_stills_do_not_keep_a_chain_waiting(chained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small calls and large ones take turns, so the chain is not all that is left at the end."""
    seen = sizes(chained, monkeypatch)
    video, stills = chain(3), [shot(seed=100 + i, steps=4) for i in range(40)]
    order = list(render(chained, [*video, *stills]))
    last = max(i for i, size in enumerate(seen) if size == 2)
    assert last < len(seen) / 2
    assert order.index(video[-1].id) < len(order) - 10
    assert all(a != 2 or b != 2 for a, b in itertools.pairwise(seen[:last]))


def test_chains_of_other_shapes_are_not_starved(chained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = sizes(chained, monkeypatch)
    videos = [chain(2), chain(2, width=80), chain(2, height=80)]
    assert len(render(chained, [s for video in videos for s in video])) == 9
    assert seen.count(2) == 3 * 2 * 2


def test_an_ordinary_device_has_no_chain_buckets(opened: Any, chained: Any) -> None:
    last = chain(1)[-1]
    assert opened.bucket(last) == opened.bucket(replace(last, start=None))
    assert chained.bucket(last) == chained.bucket(replace(last, start=None))._replace(chain=True)
    assert (opened.profile.chain_rows, chained.profile.chain_rows) == (0, 2)
    assert policy.CHAIN_ROWS == {"cuda": 2}


def test_the_rows_of_chains_are_in_the_profile() -> None:
    plain = Profile("torch")
    assert plain.digest == "p" + Profile("torch", chain_rows=0).digest[1:]
    assert plain.digest != replace(plain, chain_rows=2).digest != replace(plain, chain_rows=4).digest
    assert replace(plain, chain_rows=2).asdict()["chain_rows"] == 2


def test_a_chain_ends_with_the_rows_that_memory_leaves(folder: Path) -> None:
    small = engine.open(source(folder), Runtime(device="cpu", threads=1, rows=1, chain_rows=2))
    video = chain(1)
    assert small._lane(small.bucket(video[-1])).rows == 1
    feed = ListFeed(video, small.bucket)
    pictures = []
    for result in small.render(feed):
        assert isinstance(result, Picture)
        feed.pictures[result.shot.id] = result.pixels
        pictures.append(result.pixels)
    assert not np.array_equal(pictures[0], pictures[1])
