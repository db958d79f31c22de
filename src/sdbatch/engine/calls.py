"""Calls of the denoiser and the VAE: on the CPU several at a time, each in its own thread; on a GPU one at a time.

With one thread per call, instead of many threads inside one call, no operation waits for its slowest thread, a busy
machine slows down gradually, and bits do not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch

T = TypeVar("T")


class Calls:
    """Runs up to ``workers`` calls at a time, with ``threads`` threads inside each, in the context ``guard``."""

    def __init__(
        self, workers: int = 1, threads: int = 1, guard: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        self.workers = workers
        self.max_in_flight = workers + (workers > 1)  # one more, so that no worker is idle while results are collected
        self._threads = threads
        self._guard = guard
        self._pool = ThreadPoolExecutor(workers, "call") if workers > 1 else None

    def __call__(self, function: Callable[[], T]) -> Future[T]:
        """Submit ``function``, in inference mode. With one worker it runs before this returns, and may raise."""

        def run() -> T:
            torch.set_num_threads(self._threads)  # the setting is per thread
            with torch.inference_mode(), self._guard():
                return function()

        if self._pool is not None:
            return self._pool.submit(run)
        future: Future[T] = Future()
        future.set_result(run())
        return future

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
