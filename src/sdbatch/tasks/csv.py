"""``task=csv``: the records as CSV, with ``csv.measures`` also measures of the pictures."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from sdbatch import files
from sdbatch.config.experiment import Experiment
from sdbatch.gallery import csv_text
from sdbatch.imaging.measures import diversity, measures, reduced
from sdbatch.store import Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import kept_plan, sheet
from sdbatch.terminal.console import say

Measured = dict[str, dict[str, str]]  # measures by job


def run(experiment: Experiment) -> int:
    """Write outputs/<name>/records.csv. Without prompts, use the plan that is stored in the folder."""
    store = Store(experiment.folder)
    path, plan = store.root / "records.csv", kept_plan.shown(experiment, store)
    more = measured(plan, store) if experiment.csv.measures else {}
    data = csv_text(plan, store, more).encode("utf-8", "replace")
    files.replace(path, data)
    say(path)
    return 0


def measured(plan: Plan, store: Store) -> Measured:
    """The measures of every picture; of a video those of its first frame. ``diversity``: among jobs of other seeds."""
    ledger, out = store.ledger(), Measured()
    groups: dict[tuple[tuple[str, str], ...], dict[str, NDArray[np.float64]]] = {}
    for i in range(len(plan)):
        job = plan[i]
        record = ledger.get(job.id)
        if record is None or not record.done:
            continue
        with suppress(ValueError, OSError):  # a damaged file has no measures; task=verify reports it
            pixels = sheet.loader(store.file(record))()
            out[job.id] = {f"measure:{name}": f"{value:.6g}" for name, value in measures(pixels).items()}
            same = tuple(label for label in job.labels if label[0] != "seeds")
            groups.setdefault(same, {})[job.id] = reduced(pixels)
    for group in groups.values():
        for job_id, value in zip(group, diversity(list(group.values())), strict=True):
            out[job_id]["measure:diversity"] = f"{value:.6g}"
    return out
