"""How an experiment's keys become the options of a run: one place for every task that renders."""

from __future__ import annotations

from dataclasses import replace

from sdbatch.config.experiment import Experiment
from sdbatch.runner import Options
from sdbatch.terminal.progress import Progress


def options(experiment: Experiment, progress: Progress) -> Options:
    """The options of a run into ``experiment.folder``; its timings go to ``experiment.run_folder``."""
    return Options(
        writers=experiment.runtime.writers,
        retry=experiment.retry,
        shard=(experiment.shard.index, experiment.shard.count),
        metadata=experiment.output.metadata == "full",
        frames=experiment.output.frames,
        progress=progress,
        timings=experiment.run_folder / "timings.json",
    )


def temporary(experiment: Experiment, progress: Progress) -> Options:
    """The options of a run into a temporary folder: all of the jobs given, their files the same bytes, no traces."""
    return replace(options(experiment, progress), retry="failed", shard=(0, 1), frames=False, timings=None)
