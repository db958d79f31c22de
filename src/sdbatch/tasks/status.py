"""``task=status``: how far an experiment is and what each worker does, once or until the last worker has ended."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from sdbatch.config.experiment import Experiment
from sdbatch.plan import division
from sdbatch.runner.signals import SignalHandler
from sdbatch.store import Store
from sdbatch.tasks import kept_plan, progress_report
from sdbatch.tasks.progress_report import Progress, Tally
from sdbatch.terminal.console import open_console

POLL = 2.0  # seconds between reads of the folder
LINE_INTERVAL = 15.0  # seconds between lines in a log


def run(experiment: Experiment) -> int:
    """Show the progress; the exit code: 0 if all jobs are done, 1 if some failed or are left.

    Without prompts the plan is the one that is stored in the folder. Writes nothing.
    """
    store = Store(experiment.folder)
    plan = kept_plan.plan(experiment, store)
    tally = Tally(experiment.name, plan, store, division.shard(plan, experiment.shard.index, experiment.shard.count))
    found = tally.read()
    if experiment.status.follow:
        found = _follow(tally, experiment.status.format == "json")
    elif experiment.status.format == "table":
        progress_report.show([found], open_console())
    if experiment.status.format == "json":
        sys.stdout.write(json.dumps(found.data(), indent=None if experiment.status.follow else 2) + "\n")
    return 1 if found.failed or found.left else 0


def _follow(tally: Tally, lines: bool) -> Progress:
    """Show the progress until no worker runs. ``lines``: a line of JSON each time, except for the last one."""
    with SignalHandler() as signals, display(open_console(), quiet=lines) as show:
        while True:
            found = tally.read()
            show([found])
            if not found.running or signals.ending:
                return found
            if lines:
                sys.stdout.write(json.dumps(found.data()) + "\n")
                sys.stdout.flush()
            with signals.interruptible():
                time.sleep(POLL)


@contextmanager
def display(console: Console, quiet: bool = False) -> Iterator[Callable[[Sequence[Progress]], None]]:
    """A function that shows progress: a live table on a terminal, a line from time to time in a log."""
    if quiet:
        yield lambda found: None
        return
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda found: live.update(progress_report.table(found), refresh=True)
        return
    shown: set[str] = set()
    at = -LINE_INTERVAL

    def show(found: Sequence[Progress]) -> None:
        nonlocal at
        if time.monotonic() - at < LINE_INTERVAL and any(p.left and p.running for p in found):
            return
        at = time.monotonic()
        for line in [p.line() for p in found if p.line() not in shown]:
            shown.add(line)
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    yield show
