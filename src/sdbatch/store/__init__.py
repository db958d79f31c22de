"""What is kept: the folder outputs/<name>/, its files, records and plans. Knows no renderer and no torch.

    folder    every path
    store     what is there: records, states of jobs, profiles; and putting it in order
    worker    one process that writes into it: files first, then their records
    record    one manifest line
    ledger    all manifest lines, the last one of an id counting
    others    what other processes finish meanwhile
    claims    which process renders what
    heartbeat which processes are alive
    compact   worker files into manifest.jsonl, in plan order; summary.json
    plans     plan.jsonl, and the plans before it
    files     atomic writes, locks, and what the disk says in words

A file appears by atomic rename and its manifest line comes after it: "in the manifest" implies "on disk".
"""

from __future__ import annotations

from sdbatch.store.claims import Claim, Claims
from sdbatch.store.ledger import Ledger
from sdbatch.store.other_workers import OtherWorkers
from sdbatch.store.record import Record
from sdbatch.store.states import TO_RENDER, State, States
from sdbatch.store.store import Store
from sdbatch.store.worker import Worker

__all__ = ["TO_RENDER", "Claim", "Claims", "Ledger", "OtherWorkers", "Record", "State", "States", "Store", "Worker"]
