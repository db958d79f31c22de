"""Observers are notified of a run's start and of every record. The live gallery is one."""

from __future__ import annotations

from sdbatch.spec.renderer import Pixels
from sdbatch.store import Claims, Record, Worker


class Observer:
    """The base class; ignores all events. Methods run in the run's threads: they must return quickly and not raise."""

    def begin(self, worker: Worker, claims: Claims) -> None:
        """The plan is stored; records will follow. ``claims``: of this process, which others see until its end."""

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        """``record`` was written; ``pixels`` (height, width, 3) are those of a picture, None for a video."""

    def end(self) -> None:
        """There will be no more records. Others still see this process; it leaves when all observers have returned."""


class Observers(Observer):
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def begin(self, worker: Worker, claims: Claims) -> None:
        for observer in self._observers:
            observer.begin(worker, claims)

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        for observer in self._observers:
            observer.recorded(record, pixels)

    def end(self) -> None:
        for observer in self._observers:
            observer.end()
