"""Gives the entries of the queue to the renderer process, one after the other, and follows what it reports.

The process is started for the first entry. If it dies, its entry fails with the reason, and the next entry gets a new
process.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sdbatch.studio.queue import MAX_FAILURES, Entry, Queue

if TYPE_CHECKING:
    from sdbatch.workers.process import Process

COMMAND = (sys.executable, "-m", "sdbatch", "--studio-renderer")
GRACE = 15.0  # seconds for the picture in flight after a cancel or at the end; then the process is killed
POLL = 0.2  # seconds
LINES = 20  # of its messages that are kept, to explain a death


class Dispatcher:
    """``notify`` is called after every report that does not change the queue: progress."""

    def __init__(self, entries: Queue, notify: Callable[[], None]) -> None:
        self._queue = entries
        self._notify = notify
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._process: Process | None = None
        self._entry: Entry | None = None
        self._lines: deque[str] = deque(maxlen=LINES)
        self._deadline: float | None = None
        self._stopping = False
        self._orders = 0
        self._order = ""
        self.progress: dict[str, Any] | None = None
        self.renderer: dict[str, str] = {"state": "off", "model": "", "about": "", "message": ""}
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do."""
        self._events.put(("wake", None))

    def cancel(self, entry: Entry) -> None:
        """Cancel a waiting entry, or stop the running one after its picture."""
        with self._queue.lock:
            if entry.state == "waiting":
                self._queue.set(entry, "cancelled")
            elif entry is self._entry and self._process is not None and self._deadline is None:
                self._process.order({"cancel": self._order})
                self._deadline = time.monotonic() + GRACE
                self.wake()  # to wait no longer than that

    def stop(self) -> None:
        """End the process in order, and return when it has ended. What it renders waits in the queue."""
        self._stopping = True
        self.wake()
        self._thread.join(GRACE + 5)

    def _run(self) -> None:
        while not (self._stopping and self._process is None):
            with self._queue.lock:
                if self._stopping:
                    self._end()
                elif self._entry is None and (entry := self._queue.next()) is not None:
                    self._begin(entry)
                if self._deadline is not None and time.monotonic() > self._deadline and self._process is not None:
                    self._process.kill()
            try:
                event = self._events.get(timeout=POLL if self._deadline is not None else None)
            except queue.Empty:
                continue
            with self._queue.lock:
                self._handle(*event)

    def _end(self) -> None:
        if self._process is not None and self._deadline is None:
            self._process.stop()
            self._deadline = time.monotonic() + GRACE

    def _begin(self, entry: Entry) -> None:
        from sdbatch.workers.process import Process  # here: the form needs none of it

        self._orders += 1
        self._order = f"{entry.id}-{self._orders}"  # an entry can be rendered several times
        order = {"render": entry.file, "id": self._order}
        if self._process is None:
            self._lines.clear()
            self._set("starting")
            self._process = Process(order, {}, lambda kind, what: self._events.put((kind, what)), COMMAND)
        else:
            self._process.order(order)
        self._entry, self._deadline = entry, None
        self.progress = {"done": 0, "total": 0, "unit": "pictures", "rate": 0.0, "left": None, "phase": "starting"}
        self._queue.set(entry, "running")

    def _handle(self, kind: str, what: Any) -> None:
        if kind == "message":
            self._lines.append(what)
        elif kind == "event":
            self._event(*what)
        elif kind == "ended":
            self._died(what)

    def _event(self, kind: str, *values: Any) -> None:
        getattr(self, f"_on_{kind}", lambda *_: None)(*values)

    def _on_ready(self) -> None:
        self._set("busy" if self._entry else "ready")

    def _on_phase(self, phase: str) -> None:
        self._progress(phase=phase)

    def _on_model(self, model: str, about: str) -> None:
        self._progress(phase="rendering")
        self._set("busy", model=model, about=about)

    def _on_message(self, text: str) -> None:
        self.renderer["message"] = text[:500]
        self._notify()

    def _on_started(self, jobs: int, done: int, _: str) -> None:
        if self._entry is not None:
            self._entry.jobs, self._entry.done = jobs, done
            self._queue.update()

    def _on_progress(self, done: int, total: int, rate: float, left: float | None) -> None:
        self._progress(done=done, total=total, rate=rate, left=left)

    def _on_job(self, done: bool, job_id: str, error: str) -> None:
        entry = self._entry
        if entry is None:
            return
        if done:
            entry.done += 1
            entry.latest = job_id
        else:
            entry.failed += 1
            if len(entry.failures) < MAX_FAILURES:
                entry.failures.append({"id": job_id, "error": error[:500]})
        self._notify()

    def _on_ended(self, order: str, error: str, counts: dict[str, Any]) -> None:
        entry = self._entry
        if entry is None or order != self._order:
            return
        if counts:
            entry.jobs, entry.done, entry.failed = counts["jobs"], counts["done"], counts["failed"]
            entry.failures = counts["failures"][:MAX_FAILURES]
        self._entry, self.progress, self._deadline = None, None, None
        self._set("ready")
        if self._stopping:
            self._queue.set(entry, "waiting")
        elif error == "cancelled":
            self._queue.set(entry, "cancelled")
        else:
            text = error or (f"{entry.failed:,} of {entry.jobs:,} jobs failed" if entry.failed else "")
            self._queue.set(entry, "failed" if text else "done", text)

    def _died(self, code: int) -> None:
        """The process has ended: in order, cancelled with force, or by a crash."""
        entry, killed = self._entry, self._deadline is not None
        self._process, self._entry, self.progress, self._deadline = None, None, None, None
        how = _how(code)
        text = f"the renderer process died ({how})"
        last = next((line for line in reversed(self._lines) if line.strip()), "")
        self._set("off" if killed or self._stopping else "crashed", message="" if killed else f"{text}: {last}"[:500])
        if entry is None:
            self._queue.update()
        elif self._stopping:
            self._queue.set(entry, "waiting")
        elif killed:
            self._queue.set(entry, "cancelled")
        else:
            self._queue.set(entry, "failed", f"{text}; what was rendered is kept, and running it again resumes")

    def _set(self, state: str, **more: str) -> None:
        self.renderer |= {"state": state, **more}
        self._queue.update()

    def _progress(self, **values: Any) -> None:
        if self.progress is not None:
            self.progress |= values
            self._notify()


def _how(code: int) -> str:
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
