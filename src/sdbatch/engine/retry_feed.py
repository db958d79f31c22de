"""A feed that returns shots again that were in flight when the GPU ran out of memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Mapping

from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import InputPicture
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

    def waiting(self) -> Mapping[Bucket, int]:
        if not self._shots:
            return self._feed.waiting()
        return Counter(map(self._bucket, self._shots)) + Counter(self._feed.waiting())

    def picture(self, shot_id: str) -> Pixels:
        return self._feed.picture(shot_id)

    def input(self, picture: InputPicture) -> Pixels:
        return self._feed.input(picture)
