"""``task=plan``: the dry run."""

from __future__ import annotations

import sys

from sdbatch.config.experiment import Experiment
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.store import Store
from sdbatch.tasks import plan_report, plan_table
from sdbatch.terminal.console import open_console, say


def run(experiment: Experiment) -> int:
    """Report jobs, their states and costs, as a table or as JSON."""
    plan = make_plan(resolve(experiment))
    found = plan_report.survey(plan, Store(experiment.folder), experiment.run_folder / "timings.json")
    if experiment.plan.format == "json":
        sys.stdout.write(plan_report.as_json(found) + "\n")
    else:
        plan_table.show(found, open_console())
    if experiment.plan.preview:
        from sdbatch.preview.videos import write_previews

        for path in write_previews(plan, experiment.run_folder / "preview"):
            say(path, stderr=True)
    elif experiment.plan.format == "table" and _may_have_videos(experiment):
        open_console(stderr=True).print(
            "plan.preview=true draws the curves and the camera path, without a model", highlight=False
        )
    return 0


def _may_have_videos(experiment: Experiment) -> bool:
    return experiment.motion.mode != "still" or any("motion.mode" in entry for entry in experiment.sweep)
