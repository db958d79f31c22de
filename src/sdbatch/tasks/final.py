"""``task=final``: chosen jobs of a draft with other settings, rendered into a folder of their own."""

from __future__ import annotations

from sdbatch.config.experiment import Experiment
from sdbatch.tasks.render import render
from sdbatch.tasks.workload import workload


def run(experiment: Experiment) -> int:
    """Render the chosen jobs; the exit code."""
    return render(workload(experiment))
