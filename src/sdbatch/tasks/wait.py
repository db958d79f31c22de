"""Waits for submissions: one progress for all, then the results of each, from the records alone."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sdbatch.runner.signals import SignalHandler
from sdbatch.tasks.collect import collect
from sdbatch.tasks.progress_report import Tally
from sdbatch.tasks.status import POLL, display
from sdbatch.tasks.submission import Submission
from sdbatch.terminal.console import open_console, say
from sdbatch.workers import slurm


def run(submissions: Sequence[Submission]) -> int:
    """Wait until no job is left in the queue, then collect; the highest exit code.

    Ctrl-C cancels the jobs: workers write what they have rendered. A second one ends this process alone.
    """
    with SignalHandler() as signals:
        _follow(submissions, signals)
    return max(collect(s.work, s.done_before, signals.ending) for s in submissions)


def _follow(submissions: Sequence[Submission], signals: SignalHandler) -> None:
    """Show the progress until the last job has ended."""
    tallies = [_tally(s) for s in submissions]
    cancelled: set[tuple[str, ...]] = set()
    stopped = False
    with display(open_console(stderr=True)) as show:
        while True:
            queues = [slurm.queued(s.jobs) for s in submissions]
            found = [tally.read((queue or {}).get("PENDING", 0)) for tally, queue in zip(tallies, queues, strict=True)]
            show(found)
            if all(queue == {} for queue in queues):
                return
            if signals.ending and not stopped:
                stopped = True
                slurm.cancel([job for s in submissions for job in s.jobs])
            for submission, progress in zip(submissions, found, strict=True):
                if progress.done == progress.jobs and submission.jobs not in cancelled:
                    cancelled.add(submission.jobs)
                    slurm.cancel(submission.jobs, waiting=True)  # they would find nothing to do
            _sleep(signals)


def _sleep(signals: SignalHandler) -> None:
    """Sleep, but not while an interrupt waits to be handled."""
    end = time.monotonic() + POLL
    stopped = signals.ending
    while time.monotonic() < end and signals.ending == stopped:
        time.sleep(0.1)


def _tally(submission: Submission) -> Tally:
    work = submission.work
    say(f"waiting for {work.experiment.name}; Ctrl-C cancels its jobs, and the same command resumes", stderr=True)
    return Tally(work.experiment.name, work.plan, work.store, work.part)
