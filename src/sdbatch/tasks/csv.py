"""``task=csv``: the records as CSV."""

from __future__ import annotations

from sdbatch import files
from sdbatch.config.experiment import Experiment
from sdbatch.gallery import csv_text
from sdbatch.store import Store
from sdbatch.tasks import kept_plan
from sdbatch.terminal.console import say


def run(experiment: Experiment) -> int:
    """Write outputs/<name>/records.csv. Without prompts, use the plan that is stored in the folder."""
    store = Store(experiment.folder)
    path = store.root / "records.csv"
    data = csv_text(kept_plan.shown(experiment, store), store).encode("utf-8", "replace")
    files.write(path, [data], path.with_name(".records.part"))
    say(path)
    return 0
