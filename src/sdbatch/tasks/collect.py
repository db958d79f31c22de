"""``task=collect``: merge the records of all workers, write the gallery, and report what is missing."""

from __future__ import annotations

from dataclasses import replace

from sdbatch.config.experiment import Experiment
from sdbatch.tasks.run_summary import finished, outcome
from sdbatch.tasks.workload import Workload, shared
from sdbatch.terminal.console import open_console


def run(experiment: Experiment) -> int:
    """Collect; the exit code: 0 if all jobs of the plan (or shard) are done, 1 if some are missing or have failed."""
    return collect(shared(experiment))


def collect(work: Workload, done_before: int | None = None, stopped: bool = False) -> int:
    """Merge, and report ``work``; the exit code. ``done_before``: jobs that were done when its workers began."""
    store, experiment = work.store, work.experiment
    if store.root.is_dir():
        with store.worker() as worker:
            store.compact(worker, work.plan)
        if experiment.gallery.enabled:
            work.site.finish(rebuild=True)
    found = outcome(work, stopped=stopped)
    if done_before is not None:
        found = replace(found, done=found.skipped - done_before, skipped=done_before)
    return finished(found, experiment, work.plan, open_console())
