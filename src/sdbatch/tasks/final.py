"""``task=final``: render selected jobs of a draft with other settings, into a separate folder."""

from __future__ import annotations

from sdbatch.config.experiment import Experiment
from sdbatch.tasks.render import render
from sdbatch.tasks.workload import workload


def run(experiment: Experiment) -> int:
    """Render the selected jobs; the exit code."""
    return render(workload(experiment))
