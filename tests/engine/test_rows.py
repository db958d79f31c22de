"""What is paid, what is done once, and what one broken shot does to the others."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import batching, policy
from sdbatch.engine.calls import Calls
from sdbatch.engine.decode import AGAIN, FLAT
from sdbatch.engine.denoise import Row
from sdbatch.samplers import SAMPLERS
from sdbatch.spec import cost
from sdbatch.spec.renderer import Bucket, Failure, Picture
from sdbatch.spec.start import Camera, Start
from tests import patience
from tests.engine.models import ListFeed, breaks, render, shot, source

Patch = Callable[..., Any]


@pytest.fixture
def counted(opened: Any) -> Any:
    opened.stats.reset_counts()
    return opened


def test_guidance_one_pays_one_row_and_else_two(counted: Any) -> None:
    render(counted, [shot(guidance=1.0, steps=5), shot(guidance=6.0, steps=5, sampler="heun")])
    assert counted.stats.rows_used == 5 + 2 * 9


def test_guidance_interval_pays_one_row_outside(counted: Any) -> None:
    part = shot(steps=10, guidance_interval=(0.2, 0.6))
    found = render(counted, [part])
    assert counted.stats.rows_used == 10 + 4 == cost.rows(part)
    assert not np.array_equal(found[part.id].pixels, render(counted, [shot(steps=10)])[shot(steps=10).id].pixels)


def test_rows_are_paid_in_full_calls_and_hardly_padded(counted: Any) -> None:
    rng = random.Random(1)
    shots = [
        shot(seed=i, steps=rng.randint(1, 9), guidance=float(rng.choice([1, 3, 7])), sampler=rng.choice(list(SAMPLERS)))
        for i in range(60)
    ]
    assert len(render(counted, shots)) == 60
    stats = counted.stats
    assert stats.rows_used == sum(map(cost.rows, shots))
    assert stats.rows_paid == stats.calls * 4
    longest = max(cost.table_of(s).evaluations for s in shots)
    assert stats.rows_paid - stats.rows_used <= 3 * longest  # only the last shot's end is padded


def test_a_lane_that_can_fill_a_call_goes_first(counted: Any) -> None:
    """One shot of a large bucket must not be padded while small ones can fill calls."""
    small = [shot(seed=i, guidance=1.0, steps=4) for i in range(8)]
    large = [shot(seed=i, guidance=1.0, steps=4, width=80) for i in range(4)]
    render(counted, [large[0], *small, *large[1:]])
    assert counted.stats.rows_paid == counted.stats.rows_used == 48


class AtOnce(Calls):
    """Calls that are answered as soon as they begin, but taken in together: no worker is faster than another."""

    def __call__(self, function: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with torch.inference_mode():
            future.set_result(function())
        return future


def test_calls_may_be_answered_in_any_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the two rows of one shot are in different calls, and the later one is answered first."""
    several = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=3, rows=3))
    shots = [shot(seed=i, guidance=1.0 if i % 3 == 0 else 5.0, steps=9 + i % 2) for i in range(8)]
    alone = {s.id: render(several, [s])[s.id].pixels for s in shots}
    dice, chosen = random.Random(0), []

    def any_of(calls: Collection[Future[Any]], return_when: str) -> SimpleNamespace:
        chosen.append(dice.randrange(len(calls)))
        return SimpleNamespace(done={list(calls)[chosen[-1]]})

    monkeypatch.setattr(several, "_calls", AtOnce(3))
    monkeypatch.setattr(batching, "wait", any_of)
    found = render(several, shots)
    assert set(chosen) == {0, 1, 2, 3}, "three workers, and one call ahead"
    assert all(np.array_equal(found[key].pixels, pixels) for key, pixels in alone.items())


def test_workers_take_different_lanes_and_the_longest_way_goes_first(folder: Path) -> None:
    """One long shot among short ones of its size, and as many of another size: hardly a row is padded."""
    several = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=2, rows=4))
    small = [shot(seed=i, steps=24 if i == 0 else 4) for i in range(12)]
    large = [shot(seed=i, steps=24 if i == 0 else 4, width=80) for i in range(12)]
    several.stats.reset_counts()
    render(several, [*small, *large])
    assert several.stats.rows_used == 2 * 2 * (24 + 11 * 4)
    assert several.stats.rows_used / several.stats.rows_paid > 0.9


def test_rows_wait_for_answers_that_will_fill_their_call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three shots ask six rows at a time, in calls of four: the other two wait, although a worker is idle."""
    several = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=2, rows=4))
    monkeypatch.setattr(several, "_calls", AtOnce(2))
    monkeypatch.setattr(policy, "SMALL", 0)  # no smaller calls
    several.stats.reset_counts()
    render(several, [shot(seed=i, steps=6) for i in range(3)])
    assert several.stats.rows_used == 3 * 6 * 2
    assert (several.stats.calls, several.stats.rows_paid) == (9, 36)


def test_one_call_more_than_workers_is_ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both workers are in a call; a third one is handed over before either of them is done."""
    several = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=2, rows=4))
    begun, third, ahead = [], threading.Event(), []
    begin = Calls.__call__

    def count(calls: Calls, function: Callable[[], Any]) -> Future[Any]:
        begun.append(function)
        if len(begun) == 3:
            third.set()
        return begin(calls, function)

    monkeypatch.setattr(Calls, "__call__", count)
    breaks(monkeypatch, several, lambda rows, size, out: ahead.append(third.wait(patience.SECONDS)))
    assert len(render(several, [shot(seed=i) for i in range(6)])) == 6
    assert all(ahead)


def test_each_text_is_encoded_once(opened: Any) -> None:
    before = opened.main.texts.encoded
    words = "never said before"
    render(opened, [shot(prompt=words, negative=words + " again", seed=i, steps=1) for i in range(6)])
    assert opened.main.texts.encoded - before == 2


def test_rows_for_is_a_function_of_bucket_and_device() -> None:
    def cuda(h: int, w: int) -> int:
        return policy.rows_for(Bucket(h, w, 1), 64 * 64, 16, "cuda")

    assert [cuda(64, 64), cuda(32, 64), cuda(32, 32), cuda(64, 128), cuda(128, 128), cuda(56, 72)] == [
        16,
        32,
        64,
        8,
        4,
        16,
    ]
    assert policy.rows_for(Bucket(8, 8, 1), 64 * 64, 4, "cpu") == 4
    assert [policy.usual_rows("cuda", 10**9, gigabytes * 10**9) for gigabytes in (8, 24, 48, 80)] == [16, 16, 32, 32]
    assert [policy.usual_rows("cpu", weights, 80 * 10**9) for weights in (10**7, 10**9)] == [16, 4]
    assert [policy.vae_rows_for(a, 4096, 4) for a in (1024, 4096, 8192, 16384, 65536)] == [4, 4, 2, 1, 1]


def test_a_broken_shot_fails_alone(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = shot(prompt="poison", guidance=1.0), [shot(seed=i) for i in range(4)]
    alone = {key: result.pixels for key, result in render(opened, good).items()}
    poison = opened.main.texts.embedding("poison")

    def spoil(rows: Sequence[Row], size: int, out: list[Any]) -> None:
        for i, row in enumerate(rows):
            if torch.equal(row.text, poison):
                out[i] = out[i] * float("nan")

    breaks(monkeypatch, opened, spoil)
    found = render(opened, [good[0], bad, *good[1:]])
    assert isinstance(found[bad.id], Failure)
    assert "not finite" in found[bad.id].error
    assert all(np.array_equal(found[s.id].pixels, alone[s.id]) for s in good)


def test_a_missing_parent_fails_alone(opened: Any) -> None:
    orphan, good = shot(start=Start("jmissing", 0.5)), shot()
    feed = ListFeed([orphan, good], opened.bucket)
    feed.take = lambda bucket=None, but=(): feed.left.pop(0) if feed.left else None  # type: ignore[method-assign]
    found = list(opened.render(feed))
    assert {type(r) for r in found} == {Picture, Failure}
    assert "jmissing" in next(r.error for r in found if isinstance(r, Failure))


def test_out_of_memory_continues_with_half_the_rows(
    opened: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    small = engine.open(source(folder), Runtime(device="cpu", threads=1, rows=8))
    shots = [shot(seed=i, steps=2 + i) for i in range(7)]
    whole, half = ({key: result.pixels for key, result in render(e, shots).items()} for e in (small, opened))
    calls = 0

    def spoil(rows: Sequence[Row], size: int, out: list[Any]) -> None:
        nonlocal calls
        calls += 1
        if size > 4 and calls > 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    breaks(monkeypatch, small, spoil)
    feed = ListFeed(shots, small.bucket)
    rows: dict[str, int] = {}
    with caplog.at_level(logging.WARNING):
        for result in small.render(feed):
            rows[result.shot.id] = small.profile.rows
            assert isinstance(result, Picture)
            same = {8: whole, 4: half}[rows[result.shot.id]]
            assert np.array_equal(result.pixels, same[result.shot.id])
    assert rows.keys() == whole.keys()
    assert list(rows.values()) == sorted(rows.values(), reverse=True)
    assert set(rows.values()) == {8, 4}
    assert "runtime.rows=4" in caplog.text


def test_out_of_memory_with_one_row_is_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = engine.open(source(folder), Runtime(device="cpu", threads=1, rows=1))

    def spoil(rows: Sequence[Row], size: int, out: list[Any]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    breaks(monkeypatch, small, spoil)
    found = list(render(small, [shot(), shot(seed=2)]).values())
    assert len(found) == 2
    assert all("out of memory" in r.error for r in found if isinstance(r, Failure))


def test_out_of_memory_while_a_shot_starts_loses_no_shot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = engine.open(source(folder), Runtime(device="cpu", threads=1, rows=4))
    parent = shot()
    child = shot(seed=2, start=Start(parent.id, 0.5))
    encode, calls = small.main.vae.encode, []

    def spoil(pixels: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return encode(pixels)

    monkeypatch.setattr(small.main.vae, "encode", spoil)
    found = render(small, [parent, child, shot(start=Start("", 0.5)), shot(seed=3)])
    assert [type(r) for r in found.values()].count(Picture) == 3
    assert [type(r) for r in found.values()].count(Failure) == 1
    assert small.profile.rows == 2


@pytest.mark.parametrize("broken", [float("nan"), 0.25], ids=["nan", "flat"])
def test_half_precision_decodes_again_in_fp32(folder: Path, monkeypatch: pytest.MonkeyPatch, broken: float) -> None:
    """One picture at a time: what a VAE call usually holds would take four times as long and ten gigabytes."""
    half = engine.open(source(folder), Runtime(device="cpu", threads=1, dtype="bfloat16", vae_batch=3))
    module = half.main.vae._module
    true, again = module.decode, []

    def decode(z: torch.Tensor) -> Any:
        out = true(z)
        out.sample[:] = broken
        return out

    def full(z: torch.Tensor) -> Any:
        again.append((len(z), z.dtype))
        return true.__func__(half.main.vae._in_fp32(), z)

    monkeypatch.setattr(module, "decode", decode)
    half.main.vae._in_fp32().decode = full
    (picture,) = render(half, [shot()]).values()
    assert picture.warnings == (AGAIN, "unverified at 8x8 latents")  # the VAE's batch of three
    assert picture.pixels.std() > 5
    assert again == [(1, torch.float32)]


def test_a_flat_picture_is_marked(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    true = opened.main.vae._module.decode

    def decode(z: torch.Tensor) -> Any:
        out = true(z)
        out.sample[:] = 0.5
        return out

    monkeypatch.setattr(opened.main.vae._module, "decode", decode)
    (picture,) = render(opened, [shot()]).values()
    assert picture.warnings == (FLAT,)


def test_a_chain_waits_for_its_parent_and_others_continue(opened: Any) -> None:
    parent = shot(seed=1, steps=3)
    child = shot(seed=2, start=Start(parent.id, 0.5, Camera(zoom=1.1)))
    grandchild = shot(seed=3, start=Start(child.id, 0.5, Camera(roll=3), colours=parent.id))
    found = render(opened, [grandchild, child, *[shot(seed=s, steps=9) for s in (5, 6)], parent])
    assert all(isinstance(r, Picture) for r in found.values())
    order = list(found)
    assert order.index(parent.id) < order.index(child.id) < order.index(grandchild.id)


def test_inexact_says_so_in_every_picture(folder: Path) -> None:
    loose = engine.open(source(folder), Runtime(device="cpu", threads=1, exact=False))
    (picture,) = render(loose, [shot()]).values()
    assert "exact=false" in picture.warnings[0]
    assert loose.profile.exact == "not asked for"
