"""Observers of a run: they are notified of its start and of every record. The gallery is one."""

from __future__ import annotations

from sdbatch.spec.renderer import Pixels
from sdbatch.store import Record, Worker


class Observer:
    """Does nothing. Methods are called from the run's threads; they must return quickly and raise nothing."""

    def begin(self, worker: Worker) -> None:
        """The plan is stored; records will follow."""

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        """``record`` was written; ``pixels`` are those of a picture (of a video: None)."""


class Observers(Observer):
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def begin(self, worker: Worker) -> None:
        for observer in self._observers:
            observer.begin(worker)

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        for observer in self._observers:
            observer.recorded(record, pixels)
