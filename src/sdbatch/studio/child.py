"""The renderer process: renders one experiment file after the other, and keeps the model loaded between them.

It reads orders from standard input, one JSON line each: ``{"render": FILE, "id": ID}`` and ``{"cancel": ID}``. It ends
after the end of the input, so it does not outlive the studio. Its output is one JSON list per event. What renders is
``tasks.render.here``, as on the command line.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdbatch.config.hydra_source import compose_data
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.errors import ConfigError, SdbatchError
from sdbatch.models.source import Source
from sdbatch.runner import Observer
from sdbatch.runner.signals import SignalHandler
from sdbatch.spec.renderer import Pixels, Renderer
from sdbatch.store import Record
from sdbatch.tasks.dispatch import checked
from sdbatch.tasks.kept_renderer import KeptRenderer
from sdbatch.tasks.render import How, check_writable, here
from sdbatch.tasks.run_summary import outcome
from sdbatch.tasks.workload import Workload, workload
from sdbatch.terminal.progress import Progress

INTERVAL = 0.25  # seconds between reports of progress
Send = Callable[..., None]


def run() -> int:
    """Work until the input ends; the exit code."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is a message, not an event
    lock = threading.Lock()

    def send(*event: Any) -> None:
        with lock, suppress(OSError):  # nobody listens: the input ends too
            out.write(json.dumps(event).encode() + b"\n")

    orders = Orders()
    threading.Thread(target=orders.receive, name="orders", daemon=True).start()
    kept = ReportingRenderer(send)
    send("ready")
    try:
        while (order := orders.next()) is not None:
            _render(order, kept, send)
    finally:
        kept.close()
    return 0


class Order(SignalHandler):
    """An experiment to render. A cancelled one stops after the next picture, so the renderer can be used again."""

    def __init__(self, entry: str, file: str) -> None:
        super().__init__()
        self.entry = entry
        self.file = file


class Orders:
    """What is to be rendered, received in a thread. The studio gives the next order after the end of the last."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Order | None] = queue.Queue()
        self._last: Order | None = None

    def next(self) -> Order | None:
        """The next order; None at the end of the input."""
        return self._waiting.get()

    def receive(self) -> None:
        """Read the input until its end, which cancels everything."""
        cancelled: set[str] = set()
        for line in sys.stdin.buffer:
            data = json.loads(line)
            if "cancel" not in data:
                self._last = Order(data["id"], data["render"])
                self._waiting.put(self._last)
            else:  # it may come before its order: two threads write
                cancelled.add(data["cancel"])
            if self._last is not None and self._last.entry in cancelled:
                self._last.stopped = True
        if self._last is not None:
            self._last.stopped = True
        self._waiting.put(None)


class ReportingRenderer(KeptRenderer):
    """Tells what it loads, and which model is open."""

    def __init__(self, send: Send) -> None:
        super().__init__(lambda: send("phase", "loading"))
        self._send = send

    def open(self, source: Source, settings: ModelSettings, runtime: Runtime, *others: Source) -> Renderer:
        renderer = super().open(source, settings, runtime, *others)
        self._send("model", settings.kind, renderer.about)
        return renderer


def _render(order: Order, kept: KeptRenderer, send: Send) -> None:
    """Render one experiment, and tell how it ended."""
    try:
        work = workload(checked(compose_data([], Path(order.file)).data))
        check_writable(work.store.root)
        _started(work, send)
        found = here(work, Reporter(send), Reports(send), How(order, opened=kept.open))
        whole = outcome(work)
        errors = [{"id": i, "error": text} for i, text in (found.errors or whole.errors)]
        counts = {"jobs": len(work.part), "done": whole.skipped, "failed": whole.failed, "failures": errors}
        send("ended", order.entry, "cancelled" if order.stopped else "", counts)
    except ConfigError as e:
        send("ended", order.entry, "\n".join(map(str, e.problems[:20])), {})
    except (SdbatchError, KeyboardInterrupt) as e:
        kept.close()  # it may be what failed
        send("ended", order.entry, "cancelled" if order.stopped else str(e) or type(e).__name__, {})


def _started(work: Workload, send: Send) -> None:
    before = outcome(work)
    send("started", len(work.part), before.skipped, str(work.experiment.folder))


class Reports(Observer):
    """Tells of every record."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def recorded(self, record: Record, pixels: Pixels | None) -> None:
        self._send("job", record.done, record.id, record.error)


class Reporter(Progress):
    """Tells of progress, a few times a second."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self._sent = 0.0

    def _on_start(self) -> None:
        self._report()

    def _show(self) -> None:
        if time.monotonic() - self._sent >= INTERVAL:
            self._report()

    def _say(self, text: str) -> None:
        self._send("message", text)

    def _on_close(self) -> None:
        self._report()

    def _report(self) -> None:
        self._sent = time.monotonic()
        left = None if self.left is None else round(self.left, 1)
        self._send("progress", self.rendered, self.shots, round(self.rate, 3), left)
