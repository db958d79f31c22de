"""Renders a sample of a research object again and compares: with its pictures, or with their digests."""

from __future__ import annotations

import random
from collections.abc import Callable

from sdbatch.config.experiment import Experiment
from sdbatch.config.tasks import VerifySettings
from sdbatch.errors import ConfigError
from sdbatch.tasks import kept_plan, rerender
from sdbatch.tasks.check.crate import Crate
from sdbatch.tasks.publish.layout import INPUTS
from sdbatch.tasks.rerender import JobList
from sdbatch.tasks.verify.findings import Finding, Status, Verified
from sdbatch.tasks.verify.verify import Case, verify
from sdbatch.terminal.progress import Progress


def rendered_again(crate: Crate, experiment: Experiment, progress: Callable[[], Progress]) -> Verified:
    """The sample's results. Without the weights, a finding for every job of it. Raises Interrupted."""
    done, settings = crate.done, experiment.check
    rng = random.Random(settings.seed)  # noqa: S311  (not used for security)
    chosen = set(done if settings.sample is None else rng.sample(done, min(settings.sample, len(done))))
    jobs = JobList([j for j in kept_plan.jobs(crate.store.plan, chosen) if j.id in chosen] if chosen else [])
    lost = sorted(chosen.difference(jobs.ids))
    unread = [_of(crate, i, Status.FAILED, "its line in plan.jsonl is damaged") for i in lost]
    found = Verified(len(chosen), findings=unread)
    for i in jobs.ids if crate.pictures else ():
        crate.take(i)
    if not jobs:
        return found
    try:
        sources = rerender.sources_of(jobs, experiment)
        folders = (str(crate.store.root / INPUTS), *experiment.input_folders)
        changes = {"verify": VerifySettings(seed=settings.seed), "input_folders": folders}
        checked = experiment.model_copy(update=changes)
        case = Case(jobs, range(len(jobs)), crate.store, sources, checked, pictures=crate.pictures)
        verified = verify(case, progress)
    except ConfigError as e:
        found.recorded = len(jobs)
        found.findings += [_of(crate, i, Status.WEIGHTS, str(e)) for i in jobs.ids]
        return found
    found.findings += verified.findings
    found.recorded, found.profiles = verified.recorded, verified.profiles
    return found


def _of(crate: Crate, job_id: str, status: Status, note: str) -> Finding:
    record = crate.records[job_id]
    return Finding(job_id, record.path, status, record.profile, note)
