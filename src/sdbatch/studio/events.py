"""Tells every open page what changes, over server-sent events. Changes come from any thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

BEAT = 10.0  # seconds of silence after which a comment keeps the connection open
PAUSE = 0.25  # seconds between reports of progress
MAX_PAGES = 64  # that listen at the same time


class TooMany(Exception):  # noqa: N818  (a state)
    """Too many pages listen."""


class Events:
    """``snapshot`` gives the queue with its version, ``progress`` that of the running entry or None."""

    def __init__(self, snapshot: Callable[[], dict[str, Any]], progress: Callable[[], dict[str, Any] | None]) -> None:
        self._snapshot = snapshot
        self._progress = progress
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._closed = False

    def notify(self) -> None:
        """Something has changed. From any thread; returns at once."""
        for event, loop in list(self._waiting.items()):
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """End all streams: the server stops."""
        self._closed = True
        self.notify()

    def subscribe(self) -> AsyncIterator[str]:
        """The events for one page. Raises TooMany."""
        if len(self._waiting) >= MAX_PAGES:
            raise TooMany
        return self._stream()

    async def _stream(self) -> AsyncIterator[str]:
        event = asyncio.Event()
        self._waiting[event] = asyncio.get_running_loop()
        version, last = -1, None
        try:
            while not self._closed:
                event.clear()
                found = self._snapshot()
                if found["version"] != version:
                    version = found["version"]
                    yield _message("queue", found, version)
                elif (progress := self._progress()) is not None and progress != last:
                    last = progress
                    yield _message("progress", progress)
                    await asyncio.sleep(PAUSE)
                try:
                    await asyncio.wait_for(event.wait(), BEAT)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            del self._waiting[event]


def _message(kind: str, data: dict[str, Any], version: int | None = None) -> str:
    head = f"id: {version}\n" if version is not None else ""
    return f"event: {kind}\n{head}data: {json.dumps(data)}\n\n"
