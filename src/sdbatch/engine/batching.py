"""Continuous batching: rows of any shots share denoiser calls of a fixed size.

A *lane* holds the shots in flight of one bucket and a queue of their rows. Every call takes exactly R rows from one
lane; a shot with predictions for all its rows takes its next step and queues new rows; when it ends, its latent goes to
the VAE and the next shot starts. The call shape never changes, so the result does not depend on batch composition.

Shots of different models are in different lanes. A lane of another model starts only when the lanes of the models in
use can fill no call, so models follow each other, and each is loaded once (``Room``).

Calls are padded only if no ready rows can fill them. To make that rare, rows are ordered by longest remaining
processing time, so that the requests of a lane end together. Shots that start from a picture go first, because other
shots wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Container, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

import torch

from sdbatch.engine.calls import Calls
from sdbatch.engine.decode import AGAIN, FLAT, Decoded, Vae
from sdbatch.engine.denoise import Row
from sdbatch.engine.lane import Lane, QueuedRow, Request
from sdbatch.engine.room import Refused, Room
from sdbatch.errors import SdbatchError
from sdbatch.spec.cost import unchanged
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture

Prepare = Callable[[Shot, Bucket, Feed], Request | Picture]
MAX_DECODING = 8  # decoded pictures whose transfer to the host may be pending


class Server:
    """One ``render``: takes shots from the feed until none is ready and none is in flight.

    ``bucket(shot)`` returns the shot's bucket; ``lane(bucket)`` makes an empty Lane. ``room`` is needed for several
    models.
    """

    def __init__(
        self,
        calls: Calls,
        bucket: Callable[[Shot], Bucket],
        lane: Callable[[Bucket], Lane],
        room: Room | None = None,
    ) -> None:
        self._submit = calls
        self._bucket = bucket
        self._new_lane = lane
        self._room = room
        self._lanes: dict[Bucket, Lane] = {}
        self._last: Lane | None = None  # the lane of the latest call
        self._calls: dict[Future[list[torch.Tensor]], tuple[Lane, list[QueuedRow]]] = {}
        self._pending_decodes: deque[tuple[Lane, Request, Future[list[Decoded]], int]] = deque()
        self._ended: list[Picture | Failure] = []  # without a call
        self.active: dict[int, Shot] = {}  # by id(shot): shots in flight

    def run(self, feed: Feed, prepare: Prepare) -> Iterator[Picture | Failure]:
        """Yields results in the order of completion. ``prepare(shot, bucket, feed)`` makes a Request, or a Picture."""
        while True:
            full = self._launch(feed, prepare)
            if self._room is not None:
                self._forget(self._room.read_ahead((b.weights for b in feed.waiting() if b.chunks), self._busy()))
            ended, self._ended = self._ended, []
            yield from ended
            if any(isinstance(result, Picture) for result in ended) and not self._calls:
                continue  # it may have made other shots ready
            self._decode(whole=full)
            if not full:
                self._launch_padded()
            if self._calls:
                self._collect()
                yield from self._decoded(MAX_DECODING)
            elif self._pending_decodes:
                yield from self._decoded(0)
            elif not ended:
                return

    def rescue(self) -> Iterator[Picture | Failure]:
        """Yields results that were complete when ``run`` raised. Afterwards ``active`` holds the unfinished shots."""
        yield from self._ended
        yield from self._decoded(0)

    def _launch(self, feed: Feed, prepare: Prepare) -> bool:
        """Start full calls, up to ``max_in_flight``; whether there were enough rows for all of them."""
        while len(self._calls) < self._submit.max_in_flight:
            lane = self._full(feed, prepare)
            if lane is None:
                return False
            self._call(lane, lane.rows)
        return True

    def _launch_padded(self) -> None:
        """Start padded calls on idle workers, if no rows fill a call.

        The last rows of the only lane are divided among the idle workers, but a call has at least as many rows as the
        smallest size. Example: of 10 rows and with sizes 4, 9, 12 and 16, two workers take 5 each, in calls of size 9;
        of four workers two take 4 each, and 2 rows wait for more.
        """
        while (idle := self._submit.workers - len(self._calls)) > 0:
            lane = max(self._lanes.values(), key=lambda lane: (lane.should_call, len(lane.queue)), default=None)
            if lane is None or not lane.should_call:
                return
            if self._pending_decodes and len(lane.queue) * 2 < lane.rows:
                return  # a picture may make more shots ready
            alone = sum(other.should_call for other in self._lanes.values()) == 1
            share = -(-len(lane.queue) // idle) if lane.tails and alone else lane.rows
            self._call(lane, min(lane.rows, max(share, *lane.tails[:1], 1)))

    def _call(self, lane: Lane, count: int) -> None:
        rows, size = lane.take(count)
        lane.calls += 1
        self._last = lane
        self._calls[self._submit(partial(lane.nets.denoiser, [r.row for r in rows], size))] = (lane, rows)

    def _full(self, feed: Feed, prepare: Prepare) -> Lane | None:
        """A lane that can fill a call, after taking ready shots from the feed; None if there is none.

        Lanes without calls in flight are preferred, because the steps of a shot are sequential; then larger buckets.
        """
        if (chain := self._chain(feed, prepare)) is not None:
            return chain
        called = {bucket: lane.calls for bucket, lane in self._lanes.items() if lane.calls}
        turns = {weights: n for n, weights in enumerate(dict.fromkeys(b.weights for b in self._lanes))}
        idle = self._lanes.keys() - called.keys()
        for bucket in sorted(idle, key=lambda b: (turns[b.weights], -b.area, b)):
            if self._fill(bucket, feed, prepare) or self._is_last(bucket, feed):
                return self._lanes[bucket]
        busy = self._busy()
        in_use = Refused(called, lambda weights: self._room is None or weights in busy)
        if (found := self._new(in_use, feed, prepare)) is not None:
            return found
        for bucket in sorted(called, key=lambda b: (turns[b.weights], called[b], -b.area, b)):
            if self._fill(bucket, feed, prepare):
                return self._lanes[bucket]
        if (room := self._room) is None:
            return None
        return self._new(Refused((), lambda weights: room.fits(weights, self._busy())), feed, prepare)

    def _new(self, but: Container[Bucket], feed: Feed, prepare: Prepare) -> Lane | None:
        """A lane that can fill a call, after taking shots of any bucket not in ``but``."""
        while not self._ended and (shot := feed.take(None, but)) is not None:
            started = self._start(shot, feed, prepare)
            if started and (self._fill(started, feed, prepare) or self._is_last(started, feed)):
                return self._lanes[started]
        return None

    def _is_last(self, bucket: Bucket, feed: Feed) -> bool:
        """Whether the queued rows of ``bucket`` are its last: they are computed before another model is begun."""
        lane = self._lanes[bucket]
        return self._room is not None and bool(lane.queue) and not lane.calls and bucket not in feed.waiting()

    def _busy(self) -> set[str]:
        return {bucket.weights for bucket, lane in self._lanes.items() if lane.active}

    def _forget(self, models: Collection[str]) -> None:
        """Drop the lanes of models that have left the memory."""
        self._lanes = {bucket: lane for bucket, lane in self._lanes.items() if bucket.weights not in models}

    def _chain(self, feed: Feed, prepare: Prepare) -> Lane | None:
        """A lane of chains with queued rows, but not the latest one: its small calls alternate with large calls of
        other lanes, because they use less of the GPU's time than of the host's."""
        for bucket in dict.fromkeys(b._replace(chain=True) for b in self._lanes):
            lane = self._lanes.get(bucket)
            if lane is None and (shot := feed.take(bucket)) is not None:
                self._start(shot, feed, prepare)
                lane = self._lanes.get(bucket)
            if lane is not None and lane is not self._last and self._fill(bucket, feed, prepare):
                return lane
        return None

    def _fill(self, bucket: Bucket, feed: Feed, prepare: Prepare) -> bool:
        """Take shots of ``bucket`` until its lane can fill a call; whether it can.

        The last shots of a model, too few for a call, are taken with those before them, so that they end together.
        """
        lane, few = self._lanes[bucket], False
        while few or len(lane.queue) < lane.rows:
            shot = None if self._ended else feed.take(bucket)
            if shot is None:
                return len(lane.queue) >= lane.rows or (lane.chain and bool(lane.queue))
            self._start(shot, feed, prepare)
            few = self._room is not None and 2 * feed.waiting().get(bucket, 0) <= lane.rows
        return True

    @torch.inference_mode()
    def _start(self, shot: Shot, feed: Feed, prepare: Prepare) -> Bucket | None:
        """Start ``shot`` in its lane; None if it has ended. Errors fail only this shot."""
        self.active[id(shot)] = shot
        try:
            bucket = self._bucket(shot)
            if self._room is not None and bucket not in self._lanes and not unchanged(shot):
                self._forget(self._room.make_room(bucket.weights, self._busy()))
            request = prepare(shot, bucket, feed)
            if isinstance(request, Picture):
                self._end(shot, request)
                return None
            rows = next(request.steps)
        except (SdbatchError, OSError, ValueError, KeyError) as e:
            self._end(shot, Failure(shot, _reason(e)))
            return None
        if bucket not in self._lanes:
            self._lanes[bucket] = self._new_lane(bucket)
        lane = self._lanes[bucket]
        lane.active += 1
        self._enqueue(lane, request, rows)
        return bucket

    def _end(self, shot: Shot, result: Picture | Failure) -> None:
        """``shot`` has a result without any call."""
        self._ended.append(result)
        del self.active[id(shot)]

    def _enqueue(self, lane: Lane, request: Request, rows: tuple[Row, ...]) -> None:
        request.pending_rows = len(rows)
        request.predictions = {}
        lane.queue.extend(QueuedRow(request, place, row) for place, row in enumerate(rows))

    @torch.inference_mode()
    def _collect(self) -> None:
        """Wait for at least one call. Requests with predictions for all rows continue or finish."""
        for call in wait(self._calls, return_when=FIRST_COMPLETED).done:
            lane, rows = self._calls.pop(call)
            lane.calls -= 1
            for row, prediction in zip(rows, call.result(), strict=True):
                row.request.predictions[row.place] = prediction  # the rows of a request complete in any order
                self._advance(lane, row.request)

    def _advance(self, lane: Lane, request: Request) -> None:
        if len(request.predictions) < request.pending_rows:
            return
        request.left -= 1
        try:
            self._enqueue(
                lane, request, request.steps.send([request.predictions[k] for k in range(request.pending_rows)])
            )
        except StopIteration as end:
            request.latent = end.value
            lane.finished.append(request)

    def _decode(self, whole: bool) -> None:
        """Decode finished requests: all of them, or with ``whole`` only as many as fill VAE calls."""
        for lane in self._lanes.values():
            while len(lane.finished) >= (lane.vae_rows if whole else 1):
                requests = [lane.finished.popleft() for _ in range(min(lane.vae_rows, len(lane.finished)))]
                latents = [f.latent for f in requests if f.latent is not None]
                call = self._submit(partial(lane.nets.vae.decode, latents, lane.vae_rows))
                self._pending_decodes.extend((lane, request, call, k) for k, request in enumerate(requests))

    def _decoded(self, waiting: int) -> Iterator[Picture | Failure]:
        """Yields pictures that are on the host; waits while more than ``waiting`` transfers are pending."""
        while self._pending_decodes and (
            len(self._pending_decodes) > waiting or self._transferred(*self._pending_decodes[0])
        ):
            lane, request, call, k = self._pending_decodes.popleft()
            result = self._result(lane.nets.vae, request, call.result()[k])
            lane.active -= 1
            del self.active[id(request.shot)]
            yield result

    @staticmethod
    def _transferred(_: Lane, __: Request, call: Future[list[Decoded]], k: int) -> bool:
        return call.done() and call.result()[k].done

    @torch.inference_mode()
    def _result(self, vae: Vae, request: Request, decoded: Decoded) -> Picture | Failure:
        pixels, finite, varied = decoded.take()
        notes: tuple[str, ...] = ()
        if not (finite and varied) and vae.half and request.latent is not None:
            pixels, finite, varied = vae.decode([request.latent], 1, full=True)[0].take()
            notes = (AGAIN,)
        if not finite:
            return Failure(request.shot, "the picture is not finite (NaN): try another seed, guidance or runtime.dtype")
        pixels, more = request.finish(pixels)
        return Picture(request.shot, pixels, notes + (() if varied else (FLAT,)) + more)


def _reason(e: BaseException) -> str:
    return f"{type(e).__name__}: {e}" if isinstance(e, KeyError) else str(e) or type(e).__name__
