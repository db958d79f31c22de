"""Progress display: a bar on a terminal, plain lines in a log, and a JSON status file under runs/ for programs.

The runner reports events, from several threads. ``Progress`` itself displays nothing; subclasses do.
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

LINE_INTERVAL = 5.0  # seconds between lines in a log
STATUS_INTERVAL = 1.0  # seconds between writes of the status file
MAX_FAILURES = 20  # that are displayed individually
WORTH = 0.05  # of the work must be done before the time left is estimated: the first pictures come late


class Progress:
    """Counts pictures (shots) and jobs, and estimates the remaining time. Thread-safe.

    ``status`` is the path of the JSON status file, or None. Failures to write it are ignored.
    """

    def __init__(self, status: Path | None = None) -> None:
        self.jobs = self.shots = 0  # in total
        self.done = self.failed = self.rendered = 0
        self.videos = self.begun = 0  # videos that are to be written, and those whose writing has begun
        self._cost = self._finished_cost = 0.0
        self._status = status
        self._temporary_status = False  # whether the status file is removed at the end
        self._opened = self._started = self._written = time.monotonic()
        self._lock = threading.RLock()

    def start(self, jobs: int, shots: int, cost: float) -> None:
        """Rendering starts, or starts again after a change of profile.

        ``jobs`` and ``shots`` are still to render; ``cost`` is the sum of the shots' costs, in any unit.
        """
        with self._lock:
            self.jobs, self.shots = self.done + self.failed + jobs, self.rendered + shots
            self._cost = self._finished_cost + cost
            self._started = self._started if self.rendered else time.monotonic()
            self._on_start()

    def shot(self, cost: float) -> None:
        """One picture of cost ``cost`` has been rendered."""
        with self._lock:
            self.rendered += 1
            self._finished_cost += cost
            self._update()

    def expect_videos(self, count: int) -> None:
        """``count`` more videos are to be written."""
        with self._lock:
            self.videos = self.begun + count

    def video(self) -> None:
        """The writing of one more video begins."""
        with self._lock:
            self.begun += 1
            self._update()

    def not_needed(self, shots: int, cost: float) -> None:
        """``shots`` pictures are not needed any more: another process rendered them, or their videos failed."""
        with self._lock:
            self.shots -= shots
            self._cost -= cost

    def job(self, done: bool, job_id: str, error: str = "") -> None:
        """One job has been recorded as done or failed, with its ``error``."""
        with self._lock:
            self.done += done
            self.failed += not done
            if not done and self.failed <= MAX_FAILURES:
                self._say(f"failed {job_id}: {error}")
            self._update()

    def say(self, text: str) -> None:
        """Display a line that the user should see."""
        with self._lock:
            self._say(text)

    def use_own_status(self, name: str) -> None:
        """Another process writes the status file: write one named after ``name``, and remove it at the end."""
        if self._status is not None:
            self._status = self._status.with_stem(f"{self._status.stem}-{name}")
            self._temporary_status = True

    def close(self) -> None:
        """The run has ended."""
        with self._lock:
            self._write("ended")
            if self._temporary_status and self._status is not None:
                with suppress(OSError):
                    self._status.unlink()
            self._on_close()

    def abort(self) -> None:
        """Restore the terminal because the process is being killed. Called from a signal handler: takes no locks."""

    @property
    def elapsed(self) -> float:
        """Seconds since this display was made."""
        return time.monotonic() - self._opened

    @property
    def rate(self) -> float:
        """Pictures per second since the start of rendering."""
        return self.rendered / max(1e-9, time.monotonic() - self._started)

    @property
    def left(self) -> float | None:
        """Estimated seconds left, from the costs of pictures; None while too few are done, or all."""
        if not self._finished_cost or not WORTH <= self._finished_cost / max(self._cost, 1e-9) < 1:
            return None
        return (time.monotonic() - self._started) * max(0.0, self._cost - self._finished_cost) / self._finished_cost

    def line(self) -> str:
        """``12/48 pictures, 1.3/s, 0:28 left, video 2/4, 2 failed``"""
        parts = [f"{self.rendered}/{self.shots} pictures", f"{self.rate:.2f}/s"] if self.shots else []
        if self.left is not None:
            parts.append(f"{clock(self.left)} left")
        if self.begun:
            parts.append(f"video {self.begun}/{max(self.videos, self.begun)}")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)

    def _on_start(self) -> None: ...

    def _show(self) -> None: ...

    def _say(self, text: str) -> None: ...

    def _on_close(self) -> None: ...

    def _update(self) -> None:
        self._show()
        if time.monotonic() - self._written >= STATUS_INTERVAL:
            self._write("rendering")

    def _write(self, state: str) -> None:
        self._written = time.monotonic()
        if self._status is None:
            return
        pictures = {"done": self.rendered, "total": self.shots, "per_second": round(self.rate, 3)}
        jobs = {"done": self.done, "failed": self.failed, "total": self.jobs}
        left = None if self.left is None else round(self.left)
        data = {"state": state, "jobs": jobs, "pictures": pictures, "seconds_left": left}
        with suppress(OSError):  # no picture should fail because of it
            atomic.write(self._status, [f"{json.dumps(data)}\n".encode()])


class Lines(Progress):
    """Plain lines, one every few seconds."""

    def __init__(self, console: Console, status: Path | None = None) -> None:
        super().__init__(status)
        self._console = console
        self._shown = 0.0

    def _on_start(self) -> None:
        self._shown = time.monotonic()
        earlier = ", first passes included" if self.shots > self.jobs and not self.videos else ""
        self._say(f"rendering {_count(self.shots, 'picture')} for {_count(self.jobs, 'job')}{earlier}")

    def _show(self) -> None:
        if self.line() and time.monotonic() - self._shown >= LINE_INTERVAL:
            self._shown = time.monotonic()
            self._say(self.line())

    def _say(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _on_close(self) -> None:
        if self.shots:
            self._say(self.line())


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

    def _on_start(self) -> None:
        self._bar.update(self._task, total=self.shots, visible=True, text=self.line())
        self._bar.start()

    def _show(self) -> None:
        if self.begun and not self.shots:  # videos whose pictures were all there
            self._bar.update(self._task, total=self.videos, completed=self.begun, visible=True, text=self.line())
            self._bar.start()
            return
        self._bar.update(self._task, completed=self.rendered, text=self.line())

    def _say(self, text: str) -> None:
        self._bar.console.print(escape(text), highlight=False)

    def _on_close(self) -> None:
        self._bar.stop()


def open_progress(console: Console, quiet: bool = False, status: Path | None = None) -> Progress:
    """The bar where there is a terminal, lines where there is none, nothing if ``quiet``."""
    if quiet:
        return Progress(status)
    return Bar(console, status) if console.is_terminal else Lines(console, status)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def clock(seconds: float) -> str:
    """``0:28`` or ``1:02:03``."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
