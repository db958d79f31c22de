"""Continuous batching: rows of any shots share denoiser calls of a fixed size.

A *lane* holds the shots in flight of one bucket and a queue of their rows. Every call takes exactly R rows from one
lane; a shot whose rows are all answered takes its next step and queues new rows; when it ends, its latent goes to the
VAE and the next shot enters. Since the call shape never changes, neither do a shot's bits, whatever its company.

Rows are only padded when nothing ready can fill a call. To make that rare, what has the longest way to go is asked
first: the flights of a lane then end together. Shots that start from a picture go before all, others wait for them.
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
class Flight:
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

    flight: Flight
    place: int
    row: Row


@dataclass(slots=True)
class Lane:
    """The flights of one bucket: ``queue`` of rows to ask, ``landed`` flights for the VAE.

    ``prove`` finds smaller sizes that give the same bits; it takes some calls itself.
    """

    rows: int
    vae_rows: int
    prove: Callable[[], tuple[int, ...]] = tuple
    queue: list[Asked] = field(default_factory=list)
    landed: deque[Flight] = field(default_factory=deque)
    calls: int = 0  # in flight
    padded: int = 0
    tails: tuple[int, ...] = ()

    def take(self, count: int) -> tuple[list[Asked], int]:
        """``count`` rows at most, what others wait for and what has the longest way to go first; the call's size."""
        self.queue.sort(key=lambda asked: (asked.flight.shot.start is None, -asked.flight.left))
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
    """One ``render``: takes shots from the feed until it has nothing ready and nothing is in flight.

    ``prepare(shot, bucket)`` makes a Flight; ``lane(bucket)`` an empty Lane; ``bucket(shot)`` says where it belongs.
    """

    def __init__(self, nets: Nets, bucket: Callable[[Shot], Bucket], lane: Callable[[Bucket], Lane]) -> None:
        self._denoiser, self._vae, self._begin = nets
        self._bucket = bucket
        self._new_lane = lane
        self._lanes: dict[Bucket, Lane] = {}
        self._calls: dict[Future[list[torch.Tensor]], tuple[Lane, list[Asked]]] = {}
        self._coming: deque[tuple[Flight, Future[list[Decoded]], int]] = deque()
        self._failed: list[Failure] = []
        self.active: dict[int, Shot] = {}  # by id(shot): what would be lost if the loop stopped now

    def run(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> Iterator[Picture | Failure]:
        """Results in the order they get done."""
        while True:
            full = self._launch(feed, prepare)
            failed, self._failed = self._failed, []
            yield from failed
            self._decode(whole=full)
            if not full:
                self._launch_padded()
            if self._calls:
                self._land()
                yield from self._arrived(WAITING)
            elif self._coming:
                yield from self._arrived(0)
            elif not failed:
                return

    def rescue(self) -> Iterator[Picture | Failure]:
        """What was already done when the loop broke off; ``active`` then holds what was lost."""
        yield from self._failed
        yield from self._arrived(0)

    def _launch(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> bool:
        """As many full calls as are worth having in flight; whether there were rows enough for them."""
        while len(self._calls) < self._begin.worth:
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
            if self._coming and len(lane.queue) * 2 < lane.rows:
                return  # a picture may make more shots ready
            alone = sum(other.worth_asking for other in self._lanes.values()) == 1
            share = -(-len(lane.queue) // idle) if lane.tails and alone else lane.rows
            self._call(lane, min(lane.rows, max(share, *lane.tails[:1], 1)))

    def _call(self, lane: Lane, count: int) -> None:
        asked, size = lane.take(count)
        lane.calls += 1
        self._calls[self._begin(partial(self._denoiser, [a.row for a in asked], size))] = (lane, asked)

    def _full(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> Lane | None:
        """A lane that fills a call, after taking what the feed has ready: largest first, but rather one without calls
        in flight, or a long shot would have less time than the rest of its lane (its steps come one after the other).
        """
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

    def _fill(self, bucket: Bucket, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> bool:
        """Take shots of ``bucket`` until its lane can fill a call; whether it can."""
        lane = self._lanes[bucket]
        while len(lane.queue) < lane.rows:
            shot = feed.take(bucket)
            if shot is None:
                return False
            self._enter(shot, feed, prepare)
        return True

    @torch.inference_mode()
    def _enter(self, shot: Shot, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> Bucket | None:
        """Start ``shot`` in its lane; a shot that cannot start fails alone."""
        self.active[id(shot)] = shot
        try:
            bucket = self._bucket(shot)
            flight = prepare(shot, bucket, feed)
            rows = next(flight.steps)
        except (SdbatchError, OSError, ValueError, KeyError) as e:
            self._failed.append(Failure(shot, _reason(e)))
            del self.active[id(shot)]
            return None
        if bucket not in self._lanes:
            self._lanes[bucket] = self._new_lane(bucket)
        lane = self._lanes[bucket]
        self._ask(lane, flight, rows)
        return bucket

    def _ask(self, lane: Lane, flight: Flight, rows: tuple[Row, ...]) -> None:
        flight.asked = len(rows)
        flight.answers = {}
        lane.queue.extend(Asked(flight, place, row) for place, row in enumerate(rows))

    @torch.inference_mode()
    def _land(self) -> None:
        """Take in what is answered, at least one call; flights whose rows are all answered go on or land."""
        for call in wait(self._calls, return_when=FIRST_COMPLETED).done:
            lane, asked = self._calls.pop(call)
            lane.calls -= 1
            for a, prediction in zip(asked, call.result(), strict=True):
                a.flight.answers[a.place] = prediction  # two rows of a flight may be answered in any order
                self._go_on(lane, a.flight)

    def _go_on(self, lane: Lane, flight: Flight) -> None:
        if len(flight.answers) < flight.asked:
            return
        flight.left -= 1
        try:
            self._ask(lane, flight, flight.steps.send([flight.answers[k] for k in range(flight.asked)]))
        except StopIteration as end:
            flight.latent = end.value
            lane.landed.append(flight)

    def _decode(self, whole: bool) -> None:
        """Decode landed flights, only in ``whole`` VAE calls or all of them."""
        for lane in self._lanes.values():
            while len(lane.landed) >= (lane.vae_rows if whole else 1):
                flights = [lane.landed.popleft() for _ in range(min(lane.vae_rows, len(lane.landed)))]
                latents = [f.latent for f in flights if f.latent is not None]
                call = self._begin(partial(self._vae.decode, latents, lane.vae_rows))
                self._coming.extend((flight, call, k) for k, flight in enumerate(flights))

    def _arrived(self, waiting: int) -> Iterator[Picture | Failure]:
        """Pictures that are on the host; waits for the oldest while more than ``waiting`` are on their way."""
        while self._coming and (len(self._coming) > waiting or self._here(*self._coming[0])):
            flight, call, k = self._coming.popleft()
            result = self._result(flight, call.result()[k])
            del self.active[id(flight.shot)]
            yield result

    @staticmethod
    def _here(_: Flight, call: Future[list[Decoded]], k: int) -> bool:
        return call.done() and call.result()[k].done

    @torch.inference_mode()
    def _result(self, flight: Flight, decoded: Decoded) -> Picture | Failure:
        pixels, finite, varied = decoded.take()
        notes: tuple[str, ...] = ()
        if not (finite and varied) and self._vae.half and flight.latent is not None:
            batch = self._new_lane(self._bucket(flight.shot)).vae_rows
            pixels, finite, varied = self._vae.decode([flight.latent], batch, full=True)[0].take()
            notes = (AGAIN,)
        if not finite:
            return Failure(flight.shot, "the picture is not finite (NaN): try another seed, guidance or runtime.dtype")
        pixels, more = flight.finish(pixels)
        return Picture(flight.shot, pixels, notes + (() if varied else (FLAT,)) + more)


def _reason(e: BaseException) -> str:
    return f"{type(e).__name__}: {e}" if isinstance(e, KeyError) else str(e) or type(e).__name__
