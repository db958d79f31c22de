"""Who watches a run: told that it begins, and of every record. Does nothing itself; the gallery is one."""

from __future__ import annotations

from sdbatch.spec.renderer import Pixels
from sdbatch.store import Record, Worker


class Observer:
    """Called from the run's threads; must be quick and raise nothing."""

    def begin(self, worker: Worker) -> None:
        """The plan is kept; records will come."""

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        """``record`` is recorded; ``pixels`` are those of a picture (of a video: None)."""
