"""The engine's statistics, for benchmarks: rows used and computed, and seconds per part. Not part of results."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import Any

import torch


@dataclass(slots=True)
class Stats:
    """Counts since the engine was opened. ``seconds`` by part: denoiser, vae, text, and the parts of start-up.

    On CUDA, device time is measured by events, so that the host does not wait for it.
    """

    rows_used: int = 0
    rows_paid: int = 0
    calls: int = 0
    vae_used: int = 0
    vae_paid: int = 0
    pictures: int = 0
    loads: int = 0  # of models; one with other LoRAs is another
    seconds: dict[str, float] = field(default_factory=dict)  # of all workers together
    workers: int = 1
    _lock: Lock = field(default_factory=Lock)
    _events: deque[tuple[str, Any, Any]] = field(default_factory=deque)

    @contextmanager
    def clock(self, name: str, device: torch.device | None = None) -> Iterator[None]:
        """Adds the time of its block to ``seconds[name]``."""
        if device is not None and device.type == "cuda":
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            before.record()
            yield
            after.record()
            self._events.append((name, before, after))
            self._collect(wait=False)
            return
        start = perf_counter()
        try:
            yield
        finally:
            self._add(name, perf_counter() - start)

    def called(self, used: int, paid: int) -> None:
        """Count a denoiser call of ``paid`` rows, of which ``used`` are not padding."""
        with self._lock:
            self.calls, self.rows_used, self.rows_paid = self.calls + 1, self.rows_used + used, self.rows_paid + paid

    def decoded(self, used: int, paid: int) -> None:
        """Count a VAE call of ``paid`` latents, of which ``used`` are not padding."""
        with self._lock:
            self.vae_used, self.vae_paid = self.vae_used + used, self.vae_paid + paid

    def reset_counts(self) -> None:
        """Reset the counts after start-up; the seconds of its parts are kept."""
        self.rows_used = self.rows_paid = self.calls = self.vae_used = self.vae_paid = self.pictures = 0
        self.finish().seconds = {k: v for k, v in self.seconds.items() if k.startswith("start")}

    def finish(self) -> Stats:
        """Wait for pending device times; returns ``self``."""
        self._collect(wait=True)
        return self

    def _collect(self, wait: bool) -> None:
        while self._events and (wait or self._events[0][2].query()):
            name, before, after = self._events.popleft()
            after.synchronize()
            self._add(name, before.elapsed_time(after) / 1000)

    def _add(self, name: str, seconds: float) -> None:
        with self._lock:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
