"""Threads that encode and write behind a bounded queue, so that the renderer waits for nothing but a full queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from sdbatch.errors import StoreError

WAITING = 32  # tasks: a GPU hands over 8 or 16 pictures at once; at 1024x1024 and 3 bytes a pixel they hold 96 MiB
# A signal that arrives just before a wait does not end it, and its handler runs only afterwards: so waits are short.
TICK = 0.2
Task = Callable[[], None]


class Writers:
    """A task that raises ends the run: ``check`` raises its error, tasks after it are dropped."""

    def __init__(self, threads: int) -> None:
        self._queue: queue.Queue[Task | None] = queue.Queue(maxsize=max(WAITING, 2 * threads))
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, name=f"writer-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, task: Task | None) -> None:
        """Hand over a task, or the end of a thread (None); waits while the queue is full."""
        while True:
            try:
                return self._queue.put(task, timeout=TICK)
            except queue.Full:
                pass

    def check(self) -> None:
        """Raise what a task raised."""
        if self._error is not None:
            error = self._error
            raise error if isinstance(error, StoreError) else RuntimeError("a writer failed") from error

    def drain(self) -> None:
        """Wait until everything handed over so far is written."""
        written = self._queue.all_tasks_done
        with written:
            while self._queue.unfinished_tasks:
                written.wait(TICK)
        self.check()

    def finish(self) -> None:
        """Wait until everything is written. To be called once."""
        for _ in self._threads:
            self.put(None)
        for thread in self._threads:
            while thread.is_alive():
                thread.join(TICK)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                if self._error is None:
                    task()
            except BaseException as e:
                self._error = e
            finally:
                self._queue.task_done()
