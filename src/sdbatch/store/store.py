"""The folder of one experiment: records, states of jobs, profiles; and compaction of the records."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from sdbatch import files
from sdbatch.spec import file_names
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.jobs import Job
from sdbatch.spec.limits import FLAT
from sdbatch.spec.renderer import Profile
from sdbatch.store import claim_folders, compact, plan_file
from sdbatch.store.claims import Claims
from sdbatch.store.folder import SOUNDS, Folder
from sdbatch.store.ledger import Ledger
from sdbatch.store.listing import Listing
from sdbatch.store.other_workers import OtherWorkers
from sdbatch.store.plan_file import Plan
from sdbatch.store.record import Record
from sdbatch.store.states import State, States
from sdbatch.store.worker import Worker, token_of
from sdbatch.store.worker_state import WorkerState


@dataclass(frozen=True, slots=True)
class Store(Folder):
    """The folder ``root``. ``durable=False`` omits fsync: a power failure may then lose finished files."""

    durable: bool = True

    def living(self) -> int:
        """The number of processes that write into the folder now (0 if the file system has no locks)."""
        with ExitStack() as stack:
            found = self.worker_files()
            return len(found) - len(self._merged(found, None, stack))

    def shared(self) -> bool:
        """Whether other processes render here, for one that has left; for a minute also after one died elsewhere."""
        return bool(claim_folders.folders(self.root))

    def ledger(self) -> Ledger:
        """All current records. Raises StoreError."""
        with files.store_errors(self.root):
            return Ledger([self.manifest, *self.worker_files()], self.intact)

    def other_workers(self, own: Worker | None = None) -> OtherWorkers:
        """A reader of the results of other processes from now on."""
        return OtherWorkers(self.manifest, self.worker_files, self.intact, own.path if own else None)

    def claims(self, worker: Worker, scope: str) -> Claims:
        """Start to claim chunks of work in ``scope`` (letters, digits, - and _). Raises StoreError."""
        return Claims(self.root, scope, worker.token)

    def workers(self) -> list[WorkerState]:
        """What each process of the current runs says about itself; empty once the last one has ended.

        Read from the folder alone, on any machine.
        """
        return claim_folders.workers(self.root)

    def states(
        self, plan: Plan, ledger: Ledger, profile: str = "", digest: Callable[[Path], str] | None = None
    ) -> States:
        """The state of each job of ``plan``. With more than FLAT records, the sizes of files are not compared.

        ``profile``: a digest; jobs done under other profiles get State.OTHER. ``digest``: a function such as
        ``files.file_digest``; every file is read and compared with its record.
        """
        states = States(bytearray(len(plan)), self._orphans(plan, ledger), ledger.damaged_lines)
        listing = Listing(self.root) if len(ledger) > FLAT and digest is None else None
        for i, job_id in enumerate(plan.ids):
            if listing is not None and (found := ledger.outline(job_id)) is not None:
                states.set(i, _done(listing.has(found.path), found.profile, profile))
            elif (record := ledger.get(job_id)) is not None:
                states.set(i, self._state(record, profile, digest))
        return states

    def finder(self, ledger: Ledger) -> Callable[[Record], bool]:
        """``intact``; with more than FLAT records from lists of folders, so the sizes of files are not compared."""
        if len(ledger) <= FLAT:
            return self.intact
        listing = Listing(self.root)
        return lambda record: listing.has(record.path)

    def path_of(self, job: Job, ledger: Ledger) -> str:
        """The path of a job's file in the folder: where its record says, else where it will be."""
        found = ledger.outline(job.id) or ledger.get(job.id)
        if found is None or found.path in ("", job.path) or not (self.root / found.path).exists():
            return job.path
        return found.path

    def _state(self, record: Record, profile: str, digest: Callable[[Path], str] | None) -> State:
        if not record.done:
            return State.FAILED
        same = self.intact(record) and (digest is None or _digest(digest, self.file(record)) == record.file)
        return _done(same, record.profile, profile)

    def _orphans(self, plan: Plan, ledger: Ledger) -> tuple[str, ...]:
        planned = set(plan.ids)
        left = {i for i in ledger if i not in planned}
        for path in [self.plan, *self.root.glob("plans/*.jsonl")] if left else []:
            with suppress(OSError):
                left.difference_update(plan_file.kept_ids(path))
        return tuple(sorted(left))

    def strays(self, ledger: Ledger) -> Iterator[Path]:
        """Files in images/ and videos/ without a record."""
        named = {Path(r.path).stem for r in ledger.records()}  # a video's poster and metadata share its stem
        for folder in file_names.folders(self.root):
            with suppress(OSError):
                yield from (p for p in sorted(folder.iterdir()) if p.stem not in named and p.is_file())

    def profile(self, digest: str) -> Profile | None:
        """A stored profile; None if it is missing or does not match ``digest``."""
        try:
            found = Profile.of(json.loads(self.profile_path(digest).read_bytes()))
            return found if found.digest == digest else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def worker(self, shard: int = 0) -> Worker:
        """Start a writer. Raises StoreError if the folder cannot be written."""
        return Worker(self.worker_folder, shard, self.durable)

    def keep_profile(self, worker: Worker, profile: Profile) -> None:
        if self.profile(profile.digest) is None:
            text = json.dumps(profile.asdict(), indent=2) + "\n"
            worker.save(self.profile_path(profile.digest), [text.encode()])

    def keep_plan(self, worker: Worker, plan: Plan) -> None:
        """Write ``plan`` to plan.jsonl, after an earlier plan is copied to plans/<digest>.jsonl. Raises StoreError.

        Processes with different plans replace the file one after the other, so that each plan is kept.
        """
        if plan_file.is_kept(self.plan, plan):
            return
        part = worker.temporary(self.plan)
        try:
            with files.store_errors(self.plan), part.open("wb") as f:
                f.writelines(plan_file.lines(plan))
            with files.locked(self.lock):
                self._keep_earlier(worker, plan_digest(plan.ids))
                worker.publish(part, self.plan)
        finally:
            files.remove(part)

    def _keep_earlier(self, worker: Worker, new: str) -> None:
        """Copy plan.jsonl to plans/, with its time, unless ``new`` is its digest."""
        with files.store_errors(self.plan):
            try:
                data = self.plan.open("rb")
            except FileNotFoundError:
                return
            with data:
                old = plan_digest(plan_file.kept_ids(self.plan))
                if old != new:
                    worker.save(self.kept_plan(old), iter(lambda: data.read(1 << 20), b""))
                    found = os.fstat(data.fileno())
                    os.utime(self.kept_plan(old), ns=(found.st_atime_ns, found.st_mtime_ns))

    def compact(self, worker: Worker, plan: Plan, without: Container[str] = ()) -> Ledger:
        """End ``worker``: merge its lines and those of dead workers into manifest.jsonl, then write summary.json.

        Records of ids in ``without`` are removed. Processes that end at the same time merge one after the other; files
        of running workers stay. Raises StoreError; then no line is lost.
        """
        with files.locked(self.lock) as held, ExitStack() as stack:
            if not held:  # without locks other workers are unknown; readers merge their files
                worker.close()
                return self.ledger()
            found = self.worker_files()
            gone = self._merged(found, worker.path, stack)
            ledger = self.ledger()
            lines = (ledger.line(i) + b"\n" for i in compact.order(ledger, plan.ids) if i not in without)
            compact.replace(self.manifest, lines, worker)
            compact.replace(self.summary, [compact.summary(ledger, plan.ids)], worker)
            for path in gone:
                files.remove(path)
            shots = [folder for name in self.shot_profiles() for folder in self.shot_folders(name)]
            folders = [
                *file_names.folders(self.root),
                *(self.root / name for name in ("", "plans", "profiles", SOUNDS)),
            ]
            compact.sweep([*folders, *shots], lambda: compact.living(self.worker_files(), gone))
        worker.close()
        with suppress(OSError):
            self.worker_folder.rmdir()
        return ledger

    def _merged(self, found: list[Path], own: Path | None, stack: ExitStack) -> list[Path]:
        """Of the worker files ``found`` those to merge: ``own``, and those of dead processes, locked in ``stack``.

        A process with a heartbeat lives, although its lock may be free on the other hosts of a network file system.
        """
        living = claim_folders.alive(self.root, map(token_of, found))
        return compact.claim([path for path in found if path == own or token_of(path) not in living], own, stack)


def _done(exists: bool, profile: str, wanted: str) -> State:
    """The state of a done job; ``wanted`` is a profile or empty."""
    if not exists:
        return State.STALE
    return State.OTHER if wanted and profile != wanted else State.DONE


def _digest(digest: Callable[[Path], str], path: Path) -> str:
    try:
        return digest(path)
    except (OSError, ValueError):
        return ""
