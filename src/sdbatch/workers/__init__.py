"""Several worker processes for one plan: one per GPU, or several on one device.

    supervisor  starts the workers, shows one progress display, restarts dead workers, returns the highest exit code
    process     one worker seen from the supervisor: settings in, events and messages out
    child       the worker's side: ``python -m sdbatch --worker``
    slots       which devices the workers get
    sbatch      scripts of SLURM jobs that are workers, as text
    slurm       the commands of SLURM: submit, look at the queue, cancel

The workers divide the plan by claims in the output folder (``store.claims``), so the supervisor only starts workers
and reads their events. It knows no jobs, and processes that it did not start can render the same plan. The settings
are one JSON line on standard input, which stays open: at its end the worker stops as after SIGTERM. Events are JSON
lines on standard output.
"""

from __future__ import annotations

from sdbatch.workers.child import Reporter, receive
from sdbatch.workers.slots import Slot, assign, expected_cards
from sdbatch.workers.supervisor import Supervisor

__all__ = ["Reporter", "Slot", "Supervisor", "assign", "expected_cards", "receive"]
