"""``task=verify``: runs the verification and prints its report."""

from __future__ import annotations

import json
import sys

from sdbatch.config.experiment import Experiment
from sdbatch.plan import division
from sdbatch.plan.model_axis import located
from sdbatch.store import Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import gallery, kept_plan, rerender
from sdbatch.tasks.verify.report import show_verify
from sdbatch.tasks.verify.verify import Case, verify
from sdbatch.terminal.console import open_console
from sdbatch.terminal.progress import open_progress


def run(experiment: Experiment) -> int:
    """Verify the experiment, without prompts the plan that is stored in its folder; the exit code."""
    store, console = Store(experiment.folder), open_console(stderr=True)
    plan: Plan = kept_plan.plan(experiment, store)
    named = experiment.has_prompts or not len(plan)
    sources = tuple(located(experiment)) if named else rerender.sources_of(plan, experiment)
    ledger = store.ledger()
    if experiment.plan.earlier and experiment.shard.count == 1 and any(job_id in ledger for job_id in plan.ids):
        plan = kept_plan.whole(plan, store, {source.model for source in sources})
    part = division.shard(plan, experiment.shard.index, experiment.shard.count)
    case = Case(plan, part, store, sources, experiment)
    found = verify(case, lambda: open_progress(console))
    data = {"name": experiment.name} | found.asdict()
    if experiment.verify.format == "json":
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        show_verify(found, experiment.name, open_console())
    if experiment.verify.repair:
        gallery.refresh(experiment)
    return found.code
