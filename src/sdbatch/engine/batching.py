"""Continuous batching: rows of any shots share denoiser calls of a fixed size.

A *lane* holds the shots in flight of one bucket and a queue of their rows. Every call takes exactly R rows from one
lane; a shot whose rows are all answered takes its next step and queues new rows; when it ends, its latent goes to the
VAE and the next shot enters. The call shape never changes, so a shot's bits do not depend on batch composition.

Rows are only padded when nothing ready can fill a call. To make that rare, what has the longest way to go is asked
first: the requests of a lane then end together. Shots that start from a picture go before all, others wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch

from sdbatch.engine.calls import Calls
from sdbatch.engine.decode import AGAIN, FLAT, Decoded, Vae
from sdbatch.engine.denoise import Row, Steps
from sdbatch.engine.denoiser import Denoiser
from sdbatch.errors import SdbatchError
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture, Pixels

WAITING = 8  # decoded pictures that may be on their way to the host
PADDED = 3  # calls of a lane that are padded before it is asked whether smaller ones would do


@dataclass(slots=True, eq=False)
class Request:
    """A shot being denoised. ``finish`` turns the whole decoded grid into the shot's pixels."""

    shot: Shot
    steps: Steps
    left: int  # evaluations to go
    finish: Callable[[Pixels], tuple[Pixels, tuple[str, ...]]]
    asked: int = 0
    answers: dict[int, torch.Tensor] = field(default_factory=dict)  # by place among the rows of this evaluation
    latent: torch.Tensor | None = None


class Asked(NamedTuple):
    """A row with whom it is for, and its place among the rows of that evaluation."""

    request: Request
    place: int
    row: Row


@dataclass(slots=True)
class Lane:
    """The requests of one bucket: ``queue`` of rows to ask, ``finished`` requests for the VAE.

    ``prove`` finds smaller sizes that give the same bits; it takes some calls itself.
    """

    rows: int
    vae_rows: int
    prove: Callable[[], tuple[int, ...]] = tuple
    queue: list[Asked] = field(default_factory=list)
    finished: deque[Request] = field(default_factory=deque)
    chain: bool = False  # never waits for more rows: others wait for what comes out of it
    calls: int = 0  # in request
    padded: int = 0
    tails: tuple[int, ...] = ()

    def take(self, count: int) -> tuple[list[Asked], int]:
        """``count`` rows at most, what others wait for and what has the longest way to go first; the call's size."""
        self.queue.sort(key=lambda asked: (asked.request.shot.start is None, -asked.request.left))
        asked, self.queue = self.queue[:count], self.queue[count:]
        size = next((n for n in self.tails if len(asked) <= n), self.rows)
        if len(asked) < size:
            self.padded += 1
            self.tails = self.prove() if self.padded == PADDED else self.tails
        return asked, size

    @property
    def worth_asking(self) -> bool:
        """Whether a call that is not full is better than to wait for answers that may fill it."""
        return bool(self.queue) and (not self.calls or len(self.queue) >= min(self.tails, default=self.rows))


class Nets(NamedTuple):
    """What is called, and how."""

    denoiser: Denoiser
    vae: Vae
    calls: Calls


class Server:
    """One ``render``: takes shots from the feed until it has nothing ready and nothing is in request.

    ``prepare(shot, bucket)`` makes a Request; ``lane(bucket)`` an empty Lane; ``bucket(shot)`` says where it belongs.
    """

    def __init__(self, nets: Nets, bucket: Callable[[Shot], Bucket], lane: Callable[[Bucket], Lane]) -> None:
        self._denoiser, self._vae, self._begin = nets
        self._bucket = bucket
        self._new_lane = lane
        self._lanes: dict[Bucket, Lane] = {}
        self._last: Lane | None = None  # the one called last
        self._calls: dict[Future[list[torch.Tensor]], tuple[Lane, list[Asked]]] = {}
        self._pending_decodes: deque[tuple[Request, Future[list[Decoded]], int]] = deque()
        self._failed: list[Failure] = []
        self.active: dict[int, Shot] = {}  # by id(shot): what would be lost if the loop stopped now

    def run(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Request]) -> Iterator[Picture | Failure]:
        """Results in the order they get done."""
        while True:
            full = self._launch(feed, prepare)
            failed, self._failed = self._failed, []
            yield from failed
            self._decode(whole=full)
            if not full:
                self._launch_padded()
            if self._calls:
                self._collect()
                yield from self._decoded(WAITING)
            elif self._pending_decodes:
                yield from self._decoded(0)
            elif not failed:
                return

    def rescue(self) -> Iterator[Picture | Failure]:
        """What was already done when the loop broke off; ``active`` then holds what was lost."""
        yield from self._failed
        yield from self._decoded(0)

    def _launch(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Request]) -> bool:
        """As many full calls as are worth having in request; whether there were rows enough for them."""
        while len(self._calls) < self._begin.max_in_flight:
            lane = self._full(feed, prepare)
            if lane is None:
                return False
            self._call(lane, lane.rows)
        return True

    def _launch_padded(self) -> None:
        """Nothing fills a call: no worker is to wait all the same."""
        while (idle := self._begin.workers - len(self._calls)) > 0:
            lane = max(self._lanes.values(), key=lambda lane: (lane.worth_asking, len(lane.queue)), default=None)
            if lane is None or not lane.worth_asking:
                return
            if self._pending_decodes and len(lane.queue) * 2 < lane.rows:
                return  # a picture may make more shots ready
            alone = sum(other.worth_asking for other in self._lanes.values()) == 1
            share = -(-len(lane.queue) // idle) if lane.tails and alone else lane.rows
            self._call(lane, min(lane.rows, max(share, *lane.tails[:1], 1)))

    def _call(self, lane: Lane, count: int) -> None:
        asked, size = lane.take(count)
        lane.calls += 1
        self._last = lane
        self._calls[self._begin(partial(self._denoiser, [a.row for a in asked], size))] = (lane, asked)

    def _full(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Request]) -> Lane | None:
        """A lane that fills a call, after taking what the feed has ready: largest first, but rather one without calls
        in request, or a long shot would have less time than the rest of its lane (its steps come one after the other).
        """
        if (chain := self._chain(feed, prepare)) is not None:
            return chain
        called = {bucket: lane.calls for bucket, lane in self._lanes.items() if lane.calls}
        for bucket in sorted(self._lanes.keys() - called.keys(), key=lambda b: (-b.area, b)):
            if self._fill(bucket, feed, prepare):
                return self._lanes[bucket]
        while (shot := feed.take(None, called)) is not None:
            entered = self._enter(shot, feed, prepare)
            if entered is not None and self._fill(entered, feed, prepare):
                return self._lanes[entered]
        filled = (b for b in sorted(called, key=lambda b: (called[b], -b.area, b)) if self._fill(b, feed, prepare))
        return next((self._lanes[b] for b in filled), None)

    def _chain(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Request]) -> Lane | None:
        """A chain's lane with something to ask, but none twice in a row: between its small calls, which keep a GPU
        less busy than the host, there is time for a large one of others."""
        for bucket in dict.fromkeys(b._replace(chain=True) for b in self._lanes):
            lane = self._lanes.get(bucket)
            if lane is None and (shot := feed.take(bucket)) is not None:
                self._enter(shot, feed, prepare)
                lane = self._lanes.get(bucket)
            if lane is not None and lane is not self._last and self._fill(bucket, feed, prepare):
                return lane
        return None

    def _fill(self, bucket: Bucket, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Request]) -> bool:
        """Take shots of ``bucket`` until its lane can fill a call; whether it can."""
        lane = self._lanes[bucket]
        while len(lane.queue) < lane.rows:
            shot = feed.take(bucket)
            if shot is None:
                return lane.chain and bool(lane.queue)
            self._enter(shot, feed, prepare)
        return True

    @torch.inference_mode()
    def _enter(self, shot: Shot, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Request]) -> Bucket | None:
        """Start ``shot`` in its lane; a shot that cannot start fails alone."""
        self.active[id(shot)] = shot
        try:
            bucket = self._bucket(shot)
            request = prepare(shot, bucket, feed)
            rows = next(request.steps)
        except (SdbatchError, OSError, ValueError, KeyError) as e:
            self._failed.append(Failure(shot, _reason(e)))
            del self.active[id(shot)]
            return None
        if bucket not in self._lanes:
            self._lanes[bucket] = self._new_lane(bucket)
        lane = self._lanes[bucket]
        self._ask(lane, request, rows)
        return bucket

    def _ask(self, lane: Lane, request: Request, rows: tuple[Row, ...]) -> None:
        request.asked = len(rows)
        request.answers = {}
        lane.queue.extend(Asked(request, place, row) for place, row in enumerate(rows))

    @torch.inference_mode()
    def _collect(self) -> None:
        """Take in what is answered, at least one call; requests whose rows are all answered go on or land."""
        for call in wait(self._calls, return_when=FIRST_COMPLETED).done:
            lane, asked = self._calls.pop(call)
            lane.calls -= 1
            for a, prediction in zip(asked, call.result(), strict=True):
                a.request.answers[a.place] = prediction  # two rows of a request may be answered in any order
                self._go_on(lane, a.request)

    def _go_on(self, lane: Lane, request: Request) -> None:
        if len(request.answers) < request.asked:
            return
        request.left -= 1
        try:
            self._ask(lane, request, request.steps.send([request.answers[k] for k in range(request.asked)]))
        except StopIteration as end:
            request.latent = end.value
            lane.finished.append(request)

    def _decode(self, whole: bool) -> None:
        """Decode finished requests, only in ``whole`` VAE calls or all of them."""
        for lane in self._lanes.values():
            while len(lane.finished) >= (lane.vae_rows if whole else 1):
                requests = [lane.finished.popleft() for _ in range(min(lane.vae_rows, len(lane.finished)))]
                latents = [f.latent for f in requests if f.latent is not None]
                call = self._begin(partial(self._vae.decode, latents, lane.vae_rows))
                self._pending_decodes.extend((request, call, k) for k, request in enumerate(requests))

    def _decoded(self, waiting: int) -> Iterator[Picture | Failure]:
        """Pictures that are on the host; waits for the oldest while more than ``waiting`` are on their way."""
        while self._pending_decodes and (len(self._pending_decodes) > waiting or self._here(*self._pending_decodes[0])):
            request, call, k = self._pending_decodes.popleft()
            result = self._result(request, call.result()[k])
            del self.active[id(request.shot)]
            yield result

    @staticmethod
    def _here(_: Request, call: Future[list[Decoded]], k: int) -> bool:
        return call.done() and call.result()[k].done

    @torch.inference_mode()
    def _result(self, request: Request, decoded: Decoded) -> Picture | Failure:
        pixels, finite, varied = decoded.take()
        notes: tuple[str, ...] = ()
        if not (finite and varied) and self._vae.half and request.latent is not None:
            pixels, finite, varied = self._vae.decode([request.latent], 1, full=True)[0].take()
            notes = (AGAIN,)
        if not finite:
            return Failure(request.shot, "the picture is not finite (NaN): try another seed, guidance or runtime.dtype")
        pixels, more = request.finish(pixels)
        return Picture(request.shot, pixels, notes + (() if varied else (FLAT,)) + more)


def _reason(e: BaseException) -> str:
    return f"{type(e).__name__}: {e}" if isinstance(e, KeyError) else str(e) or type(e).__name__
