"""Jobs in the queue of a cluster, and what they render."""

from __future__ import annotations

from dataclasses import dataclass

from sdbatch.tasks.workload import Workload


@dataclass(frozen=True, slots=True)
class Submission:
    """``jobs``: their numbers in SLURM. Together they render ``work``, of which ``done_before`` jobs were done."""

    work: Workload
    jobs: tuple[str, ...]
    done_before: int
