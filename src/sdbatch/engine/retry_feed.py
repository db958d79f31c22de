"""A feed that returns shots again that were in flight when the GPU ran out of memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator

from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Feed, Pixels


class RetryFeed:
    """A feed that returns requeued shots first, then those of ``feed``."""

    def __init__(self, feed: Feed, bucket: Callable[[Shot], Bucket]) -> None:
        self._feed = feed
        self._bucket = bucket
        self._shots: deque[Shot] = deque()

    def requeue(self, shots: Iterable[Shot]) -> None:
        self._shots.extend(shots)

    def take(self, bucket: Bucket | None = None, but: Container[Bucket] = ()) -> Shot | None:
        for shot in self._shots:
            if (own := self._bucket(shot)) == bucket or (bucket is None and own not in but):
                self._shots.remove(shot)
                return shot
        return self._feed.take(bucket, but)

    def upcoming(self) -> Iterator[str]:
        yield from (self._bucket(shot).weights for shot in self._shots)
        yield from self._feed.upcoming()

    def picture(self, shot_id: str) -> Pixels:
        return self._feed.picture(shot_id)
