"""Several worker processes on one plan, watched by one: a process per GPU, or stand-ins for them on the CPU.

    supervisor  starts the workers, shows one progress, restarts dead ones, ends with the worst exit code
    process     one worker as the supervisor sees it: its order goes in, its events and messages come out
    child       the worker's own side: ``python -m sdbatch --worker``
    slots       which workers this machine has room for

The workers divide the plan by claims in the output folder (``store.claims``), so the supervisor only starts and
listens: it knows nothing of jobs, and processes that it did not start may take part. An order is JSON on standard
input, which stays open: where it ends, the worker stops in good order. Events are JSON lines on standard output.
"""

from __future__ import annotations

from sdbatch.workers.child import Reporter, receive
from sdbatch.workers.slots import Slot, assign
from sdbatch.workers.supervisor import Supervisor

__all__ = ["Reporter", "Slot", "Supervisor", "assign", "receive"]
