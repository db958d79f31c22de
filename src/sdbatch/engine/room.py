"""The memory for weights as the server of calls sees it, and which buckets it asks the feed for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable
from typing import Protocol

from sdbatch.spec.renderer import Bucket


class Room(Protocol):
    """The memory for weights; models are given by ``Bucket.weights``. Those of lanes with requests are *busy*."""

    def fits(self, key: str, busy: Collection[str]) -> bool:
        """Whether ``key`` can be in memory beside the models ``busy``."""

    def make_room(self, key: str, busy: Collection[str]) -> Collection[str]:
        """Make room for ``key``; returns the models that have left the memory."""

    def read_ahead(self, upcoming: Iterable[str], busy: Collection[str]) -> Collection[str]:
        """Begin to read the next of ``upcoming`` that is not in memory, if there is room; as ``make_room``."""


class Refused(Container[Bucket]):
    """The buckets that the feed is not asked for: ``called``, and those of weights that are not ``allowed``.

    Shots without text chunks are only enlarged or copied: they need no weights.
    """

    def __init__(self, called: Container[Bucket], allowed: Callable[[str], bool]) -> None:
        self._called = called
        self._allowed = allowed

    def __contains__(self, bucket: object) -> bool:
        if bucket in self._called or not isinstance(bucket, Bucket):
            return True
        return bool(bucket.chunks) and not self._allowed(bucket.weights)
