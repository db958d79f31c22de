"""Continuous batching: rows of any shots share denoiser calls of a fixed size.

A *lane* holds the shots in flight of one bucket and a queue of their rows. Every call takes exactly R rows from one
lane; a shot whose rows are all answered takes its next step and queues new rows; when it ends, its latent goes to the
VAE and the next shot enters. Rows are only padded when nothing ready can fill a call. Since the call shape never
changes, neither do a shot's bits, whatever its company.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch

from sdbatch.engine.calls import Calls
from sdbatch.engine.decode import AGAIN, FLAT, Decoded, Vae
from sdbatch.engine.denoise import Row, Steps
from sdbatch.engine.denoiser import Denoiser
from sdbatch.errors import SdbatchError
from sdbatch.jobs import Shot
from sdbatch.render import Bucket, Failure, Feed, Picture, Pixels

WAITING = 8  # decoded pictures that may be on their way to the host


@dataclass(slots=True, eq=False)
class Flight:
    """A shot being denoised. ``finish`` turns the whole decoded grid into the shot's pixels."""

    shot: Shot
    steps: Steps
    finish: Callable[[Pixels], tuple[Pixels, tuple[str, ...]]]
    asked: int = 0
    answers: list[torch.Tensor] = field(default_factory=list)
    latent: torch.Tensor | None = None


@dataclass(slots=True)
class Lane:
    """The flights of one bucket: ``queue`` of rows to ask, ``landed`` flights for the VAE."""

    rows: int
    vae_rows: int
    tails: tuple[int, ...] = ()  # smaller sizes proven to give the same bits, for calls that cannot be filled
    queue: deque[tuple[Flight, Row]] = field(default_factory=deque)
    landed: deque[Flight] = field(default_factory=deque)

    def size(self, count: int) -> int:
        """Of a call for ``count`` rows."""
        return next((n for n in self.tails if count <= n), self.rows)


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
        self._calls: deque[tuple[Lane, list[tuple[Flight, Row]], Future[list[torch.Tensor]]]] = deque()
        self._coming: deque[tuple[Flight, Future[list[Decoded]], int]] = deque()
        self._failed: list[Failure] = []
        self.active: dict[int, Shot] = {}  # by id(shot): what would be lost if the loop stopped now

    def run(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> Iterator[Picture | Failure]:
        """Results in the order they get done."""
        while True:
            self._launch(feed, prepare)
            failed, self._failed = self._failed, []
            yield from failed
            if self._calls:
                self._land()
                self._decode(whole=True)
                yield from self._arrived(WAITING)
            elif any(lane.landed for lane in self._lanes.values()) or self._coming:
                self._decode(whole=False)
                yield from self._arrived(0)
            elif not failed:
                return

    def rescue(self) -> Iterator[Picture | Failure]:
        """What was already done when the loop broke off; ``active`` then holds what was lost."""
        yield from self._failed
        yield from self._arrived(0)

    def _launch(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> None:
        """As many calls in flight as are worth having."""
        while len(self._calls) < self._begin.workers:
            lane = self._pick(feed, prepare)
            if lane is None:
                return
            asked = [lane.queue.popleft() for _ in range(min(lane.rows, len(lane.queue)))]
            self._calls.append(
                (lane, asked, self._begin(partial(self._denoiser, [row for _, row in asked], lane.size(len(asked)))))
            )

    def _pick(self, feed: Feed, prepare: Callable[[Shot, Bucket, Feed], Flight]) -> Lane | None:
        """The lane to call next: one that fills a call (largest first), after taking what the feed has ready."""
        for bucket in sorted(self._lanes, key=lambda b: (-b.area, b)):
            if self._fill(bucket, feed, prepare):
                return self._lanes[bucket]
        while (shot := feed.take(None)) is not None:
            entered = self._enter(shot, feed, prepare)
            if entered is not None and self._fill(entered, feed, prepare):
                return self._lanes[entered]
        fullest = max(self._lanes.values(), key=lambda lane: len(lane.queue) / lane.rows, default=None)
        landed = any(lane.landed for lane in self._lanes.values()) or self._coming
        if self._calls:
            return None  # their answers may fill a call
        if fullest is None or not fullest.queue or (landed and len(fullest.queue) * 2 < fullest.rows):
            return None  # decode first: a picture may make more shots ready
        return fullest

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
        flight.answers = []
        lane.queue.extend((flight, row) for row in rows)

    @torch.inference_mode()
    def _land(self) -> None:
        """Take in the oldest call; flights whose rows are all answered go on or land."""
        lane, asked, call = self._calls.popleft()
        for (flight, _), prediction in zip(asked, call.result(), strict=True):
            flight.answers.append(prediction)
            if len(flight.answers) < flight.asked:
                continue
            try:
                self._ask(lane, flight, flight.steps.send(flight.answers))
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
