"""The options of a run from an experiment's keys, for all tasks that render."""

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
        mixed=experiment.shard.mixed,
        metadata=experiment.output.metadata == "full",
        frames=experiment.output.frames,
        progress=progress,
        timings=experiment.run_folder / "timings.json",
    )


def temporary(experiment: Experiment, progress: Progress) -> Options:
    """The options of a run into a temporary folder: all jobs, the same file contents, no timings and frames."""
    return replace(options(experiment, progress), retry="failed", shard=(0, 1), frames=False, timings=None)
