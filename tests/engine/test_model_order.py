"""The order of calls over several models, with networks that only count: models follow each other, calls are full."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import pytest
import torch

from sdbatch.engine.batching import Server
from sdbatch.engine.calls import Calls
from sdbatch.engine.decode import Decoded
from sdbatch.engine.denoise import Row
from sdbatch.engine.lane import Lane, Request
from sdbatch.runner.queue import WorkQueue
from sdbatch.spec.jobs import Model, Shot
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Bucket, Feed, Picture, Pixels
from tests.engine.models import shot

MODELS = [Model(f"b2:{n}") for n in range(4)]
LATENT = torch.zeros(4, 2, 2)
ROWS = 16


class Counting:
    """The networks of every model; ``calls`` are (weights, rows used) in order."""

    half = False

    def __init__(self, calls: list[tuple[str, int]], weights: str) -> None:
        self.calls, self.weights = calls, weights
        self.denoiser: Any = self.denoise
        self.vae: Any = self

    def denoise(self, rows: Sequence[Row], size: int) -> list[torch.Tensor]:
        self.calls.append((self.weights, len(rows)))
        assert size == ROWS
        return [row.latent for row in rows]

    def decode(self, latents: list[torch.Tensor], _: int) -> list[Decoded]:
        return [Decoded(torch.zeros(2, 2, 3, dtype=torch.uint8), torch.tensor([True, True])) for _ in latents]


class Memory:
    """Room for ``count`` models; ``loaded`` are those that came into the memory, in order."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.inside: list[str] = []
        self.loaded: list[str] = []

    def fits(self, key: str, busy: Collection[str]) -> bool:
        return len({key, *busy}) <= self.count

    def make_room(self, key: str, busy: Collection[str]) -> list[str]:
        if key in self.inside:
            return []
        gone = [k for k in self.inside if k not in busy][: max(0, len(self.inside) + 1 - self.count)]
        self.inside = [k for k in self.inside if k not in gone] + [key]
        assert len(self.inside) <= self.count
        self.loaded.append(key)
        return gone

    def read_ahead(self, upcoming: Iterable[str], busy: Collection[str]) -> list[str]:
        return []


class Queue:
    """The runner's order of ``shots``."""

    def __init__(self, shots: Sequence[Shot], bucket: Callable[[Shot], Bucket]) -> None:
        self._shots, self._queue = shots, WorkQueue()
        for i, one in enumerate(shots):
            self._queue.add(bucket(one), i, weight=one.steps)
        self._queue.sort()

    def take(self, bucket: Bucket | None = None, but: Any = ()) -> Shot | None:
        return None if (unit := self._queue.pop(bucket, but)) is None else self._shots[unit]

    def waiting(self) -> dict[Bucket, int]:
        return self._queue.waiting()

    def picture(self, shot_id: str) -> Pixels:
        raise KeyError(shot_id)

    def input(self, picture: InputPicture) -> Pixels:
        raise KeyError(picture.digest)


def bucket_of(one: Shot) -> Bucket:
    return Bucket(one.height // 8, one.width // 8, 1, weights=one.model.key)


def request(one: Shot, _: Bucket, __: Feed) -> Request:
    def steps() -> Any:
        for _ in range(one.steps):
            yield (Row(LATENT, 1.0, LATENT),) * 2
        return LATENT

    return Request(one, steps(), one.steps, lambda grid: (grid, ()))


def run(shots: Sequence[Shot], room: int, workers: int) -> tuple[list[tuple[str, int]], Memory]:
    calls: list[tuple[str, int]] = []
    memory, pool = Memory(room), Calls(workers)
    server = Server(pool, bucket_of, lambda b: Lane(Counting(calls, b.weights), ROWS, 1), memory)
    results = list(server.run(Queue(shots, bucket_of), request))
    pool.close()
    assert all(isinstance(result, Picture) for result in results)
    assert sorted(r.shot.id for r in results) == sorted(s.id for s in shots)
    return calls, memory


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("room", [1, 2, 4])
def test_each_model_is_loaded_once_and_rows_are_hardly_padded(room: int, workers: int) -> None:
    """4 models, 50 prompts each, in the order of the plan (prompt by prompt), without smaller calls at the end."""
    shots = [shot(model=m, seed=i, steps=20) for i in range(50) for m in MODELS]
    calls, memory = run(shots, room, workers)
    assert memory.loaded == [m.key for m in MODELS]
    assert sum(used for _, used in calls) / (ROWS * len(calls)) >= 0.95


@pytest.mark.parametrize("workers", [1, 3])
def test_sizes_and_steps_of_one_model_come_before_the_next(workers: int) -> None:
    shots = [
        shot(model=m, seed=i, steps=3 + i % 7, width=64 + 64 * (i % 2)) for i in range(30) for m in reversed(MODELS)
    ]
    _, memory = run(shots, 1, workers)
    assert memory.loaded == [m.key for m in reversed(MODELS)]


def test_with_room_the_last_rows_of_a_model_do_not_wait_for_the_end() -> None:
    """One row of the first model is left over: it is computed before most of the second one."""
    shots = [shot(model=MODELS[0], steps=5), *(shot(model=MODELS[1], seed=i, steps=20) for i in range(40))]
    calls, _ = run(shots, 4, 1)
    assert [weights for weights, _ in calls[:5]] == [MODELS[0].key] * 5
