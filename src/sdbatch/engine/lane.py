"""A lane: the requests of one bucket, and a queue of their rows. Does not know other lanes and the feed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch

from sdbatch.engine.decode import Vae
from sdbatch.engine.denoise import Row, Steps
from sdbatch.engine.denoiser import Denoiser
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Pixels

PADDED = 3  # padded calls of a lane before smaller call sizes are tested


@dataclass(slots=True, eq=False)
class Request:
    """A shot being denoised. ``finish`` turns the whole decoded grid into the shot's pixels."""

    shot: Shot
    steps: Steps
    left: int  # remaining evaluations
    finish: Callable[[Pixels], tuple[Pixels, tuple[str, ...]]]
    pending_rows: int = 0  # rows of the current evaluation
    predictions: dict[int, torch.Tensor] = field(default_factory=dict)  # by index among the rows of this evaluation
    latent: torch.Tensor | None = None


class QueuedRow(NamedTuple):
    """A row, its request, and its index among the rows of the evaluation."""

    request: Request
    place: int
    row: Row


class Nets(Protocol):
    """The networks of a model."""

    denoiser: Denoiser
    vae: Vae


@dataclass(slots=True)
class Lane:
    """The requests of one bucket: ``queue`` of rows for the denoiser, ``finished`` requests for the VAE of ``nets``.

    ``find_tails`` returns smaller call sizes that give the same bits; it makes some calls itself. ``active`` counts the
    requests whose pictures have not left.
    """

    nets: Nets
    rows: int
    vae_rows: int
    find_tails: Callable[[], tuple[int, ...]] = tuple
    queue: list[QueuedRow] = field(default_factory=list)
    finished: deque[Request] = field(default_factory=deque)
    chain: bool = False  # does not wait for more rows, because other shots wait for its results
    calls: int = 0  # in flight
    active: int = 0
    padded: int = 0
    tails: tuple[int, ...] = ()

    def take(self, count: int) -> tuple[list[QueuedRow], int]:
        """(rows, size of the call): at most ``count`` rows, those of chains first, then by longest remaining time.

        The third padded call tests smaller call sizes, once: few lanes are padded often enough to repay the test.
        """
        self.queue.sort(key=lambda row: (row.request.shot.start is None, -row.request.left))
        rows, self.queue = self.queue[:count], self.queue[count:]
        size = next((n for n in self.tails if len(rows) <= n), self.rows)
        if len(rows) < size:
            self.padded += 1
            self.tails = self.find_tails() if self.padded == PADDED else self.tails
        return rows, size

    @property
    def should_call(self) -> bool:
        """Whether a padded call is better than waiting for predictions whose next rows may fill it."""
        return bool(self.queue) and (not self.calls or len(self.queue) >= min(self.tails, default=self.rows))
