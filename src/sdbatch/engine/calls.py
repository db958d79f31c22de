"""Calls of the denoiser and the VAE: on the CPU several at a time, each on a thread of its own; on a GPU one by one.

One thread per call instead of many threads inside one: no operation waits for its slowest part, a busy machine slows
down gently, and bits do not depend on how many cores there are.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch

T = TypeVar("T")


class Calls:
    """At most ``workers`` at a time are worth having; ``threads`` inside each. ``guard`` is entered by every call."""

    def __init__(
        self, workers: int = 1, threads: int = 1, guard: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        self.workers = workers
        self.max_in_flight = workers + (workers > 1)  # one more, so that nobody waits while answers are taken in
        self._threads = threads
        self._guard = guard
        self._pool = ThreadPoolExecutor(workers, "call") if workers > 1 else None

    def __call__(self, function: Callable[[], T]) -> Future[T]:
        """Begin ``function``, without gradients; with one worker it is done (or has raised) on return."""

        def quietly() -> T:
            torch.set_num_threads(self._threads)  # a thread of its own has settings of its own
            with torch.inference_mode(), self._guard():
                return function()

        if self._pool is not None:
            return self._pool.submit(quietly)
        future: Future[T] = Future()
        future.set_result(quietly())
        return future

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
