"""Divides a plan by predicted cost: into chunks, which processes claim, and into shards. Pure functions of the plan.

A *chunk* is a few jobs that render alike: pictures of one model, one size, number of evaluations and number of rows. A
video is a chunk of its own, because the shots of a chain cannot be divided. Chunks are numbered in the order in which a
process renders: model by model, largest pictures first, then most evaluations. Their cost falls towards the end (guided
self-scheduling,
Polychronopoulos and Kuck 1987): a chunk has 1/GUIDE of the cost that is left, so that few claims are needed at first,
and nobody waits long for the last one. The number of processes is not needed, so processes may come and go.

A *shard* is a part of the plan that is fixed in advance: each job, in order of falling cost, goes to the shard with the
least cost so far (longest processing time first, Graham 1969).

All processes of a run compute the same division, whichever jobs are done.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sdbatch import motion
from sdbatch.plan.plan import Plan
from sdbatch.spec.cost import cost, evaluations, rendered, strength
from sdbatch.spec.jobs import Job
from sdbatch.spec.wording import part_count

VERSION = 2  # of the division: processes with different ones do not share a run
GUIDE = 2048  # the share of the remaining cost that a chunk takes is 1/GUIDE
MAX_CHUNK = 256  # jobs; benchmarks/cluster.py compares other sizes
Numbers = NDArray[np.int64]


class Jobs(Protocol):
    """The interface of plans for this module."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Job: ...


class Kind(NamedTuple):
    """Jobs that cost the same. ``cost`` is that of one job: rows x megapixels, of a video over all its shots.

    ``model`` is the number of the model, in the order of the plan.
    """

    width: int
    height: int
    video: bool
    evaluations: int
    cost: float
    model: int = 0


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of a plan's jobs: ``of[i]`` is the index in ``kinds`` of job i."""

    kinds: tuple[Kind, ...]
    of: Numbers

    def costs(self) -> NDArray[np.float64]:
        """The cost of each job."""
        return np.array([kind.cost for kind in self.kinds])[self.of]


@dataclass(frozen=True, slots=True)
class Chunks:
    """``of[i]`` is the number of job i's chunk, -1 outside the part that was divided.

    ``sizes`` and ``costs`` are those of the chunks.
    """

    of: NDArray[np.int32]
    sizes: NDArray[np.int32]
    costs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sizes)

    def ranks(self, shuffle: int | None) -> Numbers:
        """The place of each chunk among those whose jobs take equally long: smaller is earlier.

        Larger chunks come first; those of about the same size in order, or in the order of ``shuffle`` (32 bits).
        """
        numbers = np.arange(len(self), dtype=np.int64)
        levels = 32 - np.floor(np.log2(np.maximum(self.sizes, 1))).astype(np.int64)
        return levels << 32 | (numbers if shuffle is None else _mixed(numbers ^ shuffle))


def _mixed(numbers: Numbers) -> Numbers:
    """A bijection of 32-bit numbers without visible order (the finalizer of MurmurHash3)."""
    x = numbers.astype(np.uint32)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    x = (x ^ x >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return (x ^ x >> np.uint32(16)).astype(np.int64)


def chunks(plan: Jobs, part: Sequence[int] | None = None) -> Chunks:
    """The chunks of ``plan``, or of the positions ``part``."""
    found = kinds(plan)
    places = np.arange(len(plan)) if part is None else np.asarray(part, np.int64)
    order, sorted_kinds = _in_order(found, places)
    counts = np.bincount(found.of[places], minlength=len(found.kinds))
    sizes, costs = cut([(found.kinds[k], int(counts[k])) for k in sorted_kinds])
    of = np.full(len(plan), -1, np.int32)
    of[order] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return Chunks(of, sizes, costs)


def cut(counted: Sequence[tuple[Kind, int]]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The (sizes, costs) of the chunks of kinds with their numbers of jobs, in order."""
    left = sum(kind.cost * count for kind, count in counted)
    sizes: list[int] = []
    costs: list[float] = []
    for kind, count in counted:
        most = 1 if kind.video else MAX_CHUNK
        while count:
            wanted = left / GUIDE / kind.cost if kind.cost else most
            size = min(count, max(1, min(most, int(wanted))))
            sizes.append(size)
            costs.append(size * kind.cost)
            count -= size  # noqa: PLW2901
            left -= size * kind.cost
    return np.array(sizes, np.int32), np.array(costs, np.float64)


def shard(plan: Jobs, index: int, count: int) -> Sequence[int]:
    """The positions of shard ``index`` of ``count``, ascending."""
    return range(len(plan)) if count == 1 else np.flatnonzero(shards(plan, count) == index).tolist()


def shards(plan: Jobs, count: int) -> Numbers:
    """The shard of each job, of ``count``."""
    found = kinds(plan)
    costs = found.costs()
    owner = np.zeros(len(plan), np.int64)
    loads = [(0.0, n) for n in range(count)]
    for i in np.argsort(-costs, kind="stable").tolist():
        load, n = loads[0]
        owner[i] = n
        heapq.heapreplace(loads, (load + costs[i], n))
    return owner


def _in_order(found: Kinds, places: Numbers) -> tuple[Numbers, list[int]]:
    """``places`` in the order of rendering, and the kinds in that order."""

    def urgency(k: int) -> tuple[Any, ...]:
        kind = found.kinds[k]
        return (kind.model, -kind.width * kind.height, not kind.video, -kind.evaluations, -kind.cost, kind)

    ranked = sorted(range(len(found.kinds)), key=urgency)
    rank = np.empty(len(ranked), np.int64)
    rank[ranked] = np.arange(len(ranked))
    return places[np.argsort(rank[found.of[places]], kind="stable")], ranked


_known: WeakKeyDictionary[Any, Kinds] = WeakKeyDictionary()


def kinds(plan: Jobs) -> Kinds:
    """The kinds of the jobs of ``plan``; computed once."""
    if (found := _known.get(plan)) is None:
        found = _known[plan] = _kinds(plan)
    return found


def _kinds(plan: Jobs) -> Kinds:
    """Of all jobs that look alike only the first is made and costed."""
    if isinstance(plan, Plan):
        first, inverse = plan.alike()
    else:
        looks: dict[Any, int] = {}
        inverse = np.array([looks.setdefault(_looks(plan[i]), i) for i in range(len(plan))], np.int64)
        first, inverse = np.unique(inverse, return_inverse=True)
    alike = [plan[int(i)] for i in first]
    keys = dict.fromkeys(alike[n].shot.model.key for n in np.argsort(first))
    models = {key: n for n, key in enumerate(keys)}
    found = [_kind(job, models[job.shot.model.key]) for job in alike]
    distinct = {kind: n for n, kind in enumerate(dict.fromkeys(found))}
    return Kinds(tuple(distinct), np.array([distinct[kind] for kind in found], np.int64)[inverse])


def _looks(job: Job) -> tuple[Any, ...]:
    """What decides a job's cost: everything but its seed and the words of its texts."""
    s = job.shot
    how = (s.width, s.height, s.sampler, s.steps, s.guidance, s.guidance_interval, strength(s), part_count(s))
    nets = tuple(control.picture is None for control in s.controls)  # these are not used without a start
    return (*how, nets, rendered(s), s.model.key, job.video.motion if job.video else None, job.passes)


def _kind(job: Job, model: int) -> Kind:
    total = sum(cost(shot) for shot in motion.shots(job))
    return Kind(job.shot.width, job.shot.height, job.video is not None, evaluations(job.shot), total, model)
