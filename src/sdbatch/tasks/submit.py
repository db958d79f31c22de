"""``task=submit``: an array of SLURM jobs that render the plan together, and a job that collects the results."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError
from sdbatch.files import atomic, store_errors
from sdbatch.spec.canonical import plan_digest
from sdbatch.tasks.plan_table import duration
from sdbatch.tasks.render import check_writable
from sdbatch.tasks.submission import Submission
from sdbatch.tasks.workload import Workload, shared
from sdbatch.terminal.console import say
from sdbatch.workers import sbatch, slurm

SHARE = 0.8  # of a job's time limit for rendering, if no duration is wished: loading and the end need the rest


def run(experiment: Experiment) -> int | Submission:
    """Submit, or with ``submit.dry`` print the scripts. With ``submit.wait`` the caller waits for the submission."""
    work = shared(experiment)
    settings, name = experiment.submit, work.experiment.name
    todo = work.todo
    if not work.pending(todo):
        say(f"{name}: nothing to do")
        return 0
    check_writable(work.store.root)
    if not settings.dry:
        slurm.check()
        work.fetched(work.sources)  # here, because compute nodes often have no network
    count = settings.workers or _workers(work, todo)
    folder, scripts = _written(experiment, work, count)
    if settings.dry:
        sys.stdout.write("\n".join(scripts))
        say(f"not submitted; the scripts are in {folder}", stderr=True)
        return 0
    arrays = [slurm.submit(folder / "workers.sh", f"--array={array}") for array in _arrays(work.experiment, count)]
    say(f"{name}: {count:,} workers in {'job' if len(arrays) == 1 else 'jobs'} {', '.join(arrays)}")
    if settings.wait:
        return Submission(work, tuple(arrays), len(work.part) - len(todo))
    end = slurm.submit(folder / "collect.sh", f"--dependency=afterany:{':'.join(arrays)}")
    say(f"  job {end} collects the results; logs are in {folder}; task=status shows the progress")
    return 0


def _arrays(experiment: Experiment, count: int) -> list[str]:
    """The values of ``--array``: several where the cluster's MaxArraySize is smaller than ``count``."""
    parts = sbatch.split(count, 1 if count == 1 else slurm.max_array_size())
    return [sbatch.array(experiment.submit, part) for part in parts]


def _workers(work: Workload, todo: Sequence[int]) -> int:
    """As many as finish the plan in the wished time, at the rate of earlier runs. Raises ConfigError without one."""
    experiment = work.experiment
    seconds = work.seconds(todo)
    if seconds is None:
        text = "is needed: no earlier run of this experiment has measured the rate of this model"
        raise ConfigError.one("submit.workers", text, "for an estimate render some of its pictures first")
    settings = experiment.submit
    hours = settings.hours or SHARE * settings.limit
    count = math.ceil(seconds / 3600 / hours / max(1, settings.cards))
    say(f"about {duration(seconds)} of one process; {count:,} workers for {duration(3600 * hours)}", stderr=True)
    return max(1, min(count, len(todo)))


def _written(experiment: Experiment, work: Workload, count: int) -> tuple[Path, Sequence[str]]:
    """Write the experiment as it is now, so that later changes of its files do not reach jobs that wait, and the
    scripts; their folder, and the scripts' texts."""
    text = _frozen(experiment, plan_digest(work.plan.ids))
    folder = work.experiment.run_folder / "slurm" / blake2b(text.encode(), digest_size=4).hexdigest()
    arguments = (str(folder / "experiment.yaml"),)
    made = sbatch.Scripts(experiment.submit, work.experiment.name, Path.cwd(), folder, arguments)
    scripts = {"workers.sh": made.workers(count), "collect.sh": made.collect()}
    with store_errors(folder):
        atomic.write(folder / "experiment.yaml", [text.encode()])
        for file, script in scripts.items():
            atomic.write(folder / file, [script.encode()])
    return folder, tuple(scripts.values())


def _frozen(experiment: Experiment, digest: str) -> str:
    """The experiment as a YAML file that sets every key. It renders only the plan with ``digest``."""
    data = experiment.model_dump(mode="json", exclude={"task", "submit", "status"})
    data["plan"]["digest"] = digest
    data["submit"] = {"task": experiment.submit.task}
    if experiment.submit.cards > 1 and experiment.runtime.gpus is None:
        data["runtime"]["gpus"] = "all"
    return yaml.dump(data, Dumper=_Quoted, allow_unicode=True, sort_keys=False, width=1000)


class _Quoted(yaml.SafeDumper):
    """Quotes every text, because YAML readers differ on which texts are numbers."""


def _quoted(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_Quoted.add_representer(str, _quoted)
