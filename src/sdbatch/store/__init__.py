"""The folder of an experiment, outputs/<name>/: its files, records and plans. Must not know renderers and torch.

    folder         all paths
    store          records, states of jobs, profiles; compaction
    worker         one process that writes into the folder: files first, then their records
    record         one manifest line
    ledger         all manifest lines; the last line of an id counts
    listing        which files exist, without a question for each
    states         the states of a plan's jobs
    other_workers  the results of other processes during a run
    claims         which process renders which jobs
    claim_folders  where that is written: who lives, and what is removed at the end
    heartbeat      which processes are alive
    worker_state   what a process says about itself: host, jobs done, what it renders now
    turn           whose turn it is to do what one process does for all
    run_file       what the processes of a run agree on: the profile, and how the plan is divided
    compact        merges worker files into manifest.jsonl, in plan order; summary.json
    plan_file      plan.jsonl, and earlier plans

A file appears by atomic rename before its manifest line is written, so a recorded file exists.
"""

from __future__ import annotations

from sdbatch.store.claims import Claim, Claims
from sdbatch.store.ledger import Ledger
from sdbatch.store.other_workers import OtherWorkers
from sdbatch.store.record import Record
from sdbatch.store.run_file import Run
from sdbatch.store.states import TO_RENDER, State, States
from sdbatch.store.store import Store
from sdbatch.store.turn import Turn
from sdbatch.store.worker import Worker
from sdbatch.store.worker_state import Liveness, Report, WorkerState

__all__ = [
    "TO_RENDER",
    "Claim",
    "Claims",
    "Ledger",
    "Liveness",
    "OtherWorkers",
    "Record",
    "Report",
    "Run",
    "State",
    "States",
    "Store",
    "Turn",
    "Worker",
    "WorkerState",
]
