"""Progress as people expect it: a bar on a terminal, plain lines in a log, a small file under runs/ for programs.

Told by the runner, from several threads; knows nothing of stores and renderers. ``Progress`` itself shows nothing.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from sdbatch.files import atomic

EVERY = 5.0  # seconds between lines in a log
REFRESH = 1.0  # seconds between writes of the status file
SHOWN = 20  # failures shown one by one


class Progress:
    """Counts pictures (shots) and jobs; the rate is per second of rendering. ``status`` is a JSON file, or None."""

    def __init__(self, status: Path | None = None) -> None:
        self.jobs = self.shots = 0  # to do
        self.done = self.failed = self.rendered = 0
        self._cost = self._spent = 0.0
        self._status = status
        self._passing = False  # whether the status file goes at the end
        self._began = self._written = time.monotonic()
        self._lock = threading.RLock()

    def start(self, jobs: int, shots: int, cost: float) -> None:
        """Rendering begins, or begins anew: so many more jobs, which need so many more pictures."""
        with self._lock:
            self.jobs, self.shots = self.done + self.failed + jobs, self.rendered + shots
            self._cost = self._spent + cost
            self._began = self._began if self.rendered else time.monotonic()
            self._opened()

    def note(self, text: str) -> None:
        """Something that people are to know."""
        with self._lock:
            self._say(text)

    def shot(self, cost: float) -> None:
        """One picture is rendered."""
        with self._lock:
            self.rendered += 1
            self._spent += cost
            self._changed()

    def spared(self, shots: int, cost: float) -> None:
        """So many pictures need not be rendered any more: other processes have made them, or nobody wants them."""
        with self._lock:
            self.shots -= shots
            self._cost -= cost

    def job(self, done: bool, job_id: str, error: str = "") -> None:
        """One job is recorded."""
        with self._lock:
            self.done += done
            self.failed += not done
            if not done and self.failed <= SHOWN:
                self._say(f"failed {job_id}: {error}")
            self._changed()

    def say(self, text: str) -> None:
        """A line for users."""
        with self._lock:
            self._say(text)

    def aside(self, name: str) -> None:
        """Another process writes the status file: ours is called after ``name``, and removed at the end."""
        if self._status is not None:
            self._status = self._status.with_stem(f"{self._status.stem}-{name}")
            self._passing = True

    def close(self) -> None:
        """The run ends."""
        with self._lock:
            self._write("ended")
            if self._passing and self._status is not None:
                with suppress(OSError):
                    self._status.unlink()
            self._closed()

    def abort(self) -> None:
        """The process ends this moment (from a signal handler: no locks)."""

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.rendered / max(1e-9, time.monotonic() - self._began)

    @property
    def left(self) -> float | None:
        """Seconds to go, weighed by what pictures cost; None before the first."""
        if not self._spent:
            return None
        return (time.monotonic() - self._began) * max(0.0, self._cost - self._spent) / self._spent

    def line(self) -> str:
        """``12/48 pictures, 1.3/s, 0:28 left, 2 failed``"""
        parts = [f"{self.rendered}/{self.shots} pictures", f"{self.rate:.2f}/s"]
        if self.left is not None:
            parts.append(f"{_clock(self.left)} left")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)

    def _opened(self) -> None: ...

    def _show(self) -> None: ...

    def _say(self, text: str) -> None: ...

    def _closed(self) -> None: ...

    def _changed(self) -> None:
        self._show()
        if time.monotonic() - self._written >= REFRESH:
            self._write("rendering")

    def _write(self, state: str) -> None:
        self._written = time.monotonic()
        if self._status is None:
            return
        pictures = {"done": self.rendered, "total": self.shots, "per_second": round(self.rate, 3)}
        jobs = {"done": self.done, "failed": self.failed, "total": self.jobs}
        left = None if self.left is None else round(self.left)
        data = {"state": state, "jobs": jobs, "pictures": pictures, "seconds_left": left}
        with suppress(OSError):  # nobody's picture should fail for it
            atomic.write(self._status, [f"{json.dumps(data)}\n".encode()])


class Lines(Progress):
    """Plain lines, one every few seconds."""

    def __init__(self, console: Console, status: Path | None = None) -> None:
        super().__init__(status)
        self._console = console
        self._shown = 0.0

    def _opened(self) -> None:
        self._shown = time.monotonic()
        self._say(f"rendering {_count(self.shots, 'picture')} for {_count(self.jobs, 'job')}")

    def _show(self) -> None:
        if time.monotonic() - self._shown >= EVERY:
            self._shown = time.monotonic()
            self._say(self.line())

    def _say(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _closed(self) -> None:
        if self.shots:
            self._say(self.line().replace(", 0:00 left", ""))


class Bar(Progress):
    """A bar with pictures done, rate, time left and failures."""

    def __init__(self, console: Console, status: Path | None = None) -> None:
        super().__init__(status)
        self._console = console
        text = TextColumn("{task.fields[text]}", markup=False)
        self._bar = RichProgress(TextColumn("rendering"), BarColumn(), text, console=console, transient=False)
        self._task = self._bar.add_task("rendering", total=None, text="", visible=False)

    def abort(self) -> None:
        self._console.show_cursor(True)

    def _opened(self) -> None:
        self._bar.update(self._task, total=self.shots, visible=True, text=self.line())
        self._bar.start()

    def _show(self) -> None:
        self._bar.update(self._task, completed=self.rendered, text=self.line())

    def _say(self, text: str) -> None:
        self._bar.console.print(escape(text), highlight=False)

    def _closed(self) -> None:
        self._bar.stop()


def open_progress(console: Console, quiet: bool = False, status: Path | None = None) -> Progress:
    """The bar where there is a terminal, lines where there is none, nothing if ``quiet``."""
    if quiet:
        return Progress(status)
    return Bar(console, status) if console.is_terminal else Lines(console, status)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _clock(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
