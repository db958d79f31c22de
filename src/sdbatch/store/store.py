"""What the folder of one experiment says: records, states of jobs, profiles; and putting it in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch import files
from sdbatch.spec import file_names
from sdbatch.spec.jobs import plan_digest
from sdbatch.spec.renderer import Profile
from sdbatch.store import compact, plan_file
from sdbatch.store.claims import Claims
from sdbatch.store.folder import Folder
from sdbatch.store.ledger import Ledger
from sdbatch.store.other_workers import OtherWorkers
from sdbatch.store.plan_file import Plan
from sdbatch.store.record import Record
from sdbatch.store.states import State, States
from sdbatch.store.worker import Worker


@dataclass(frozen=True, slots=True)
class Store(Folder):
    """``durable=False`` leaves out the fsync of each file (a power cut may then cost more than the work in flight)."""

    durable: bool = True

    def living(self) -> int:
        """How many processes write here now (0 where the file system has no locks)."""
        with ExitStack() as stack:
            found = self.worker_files()
            return len(found) - len(compact.claim(found, None, stack))

    def ledger(self) -> Ledger:
        """All records as they are now."""
        with files.store_errors(self.root):
            return Ledger([self.manifest, *self.worker_files()], self.intact)

    def other_workers(self, own: Worker | None = None) -> OtherWorkers:
        """What other processes finish here from now on."""
        return OtherWorkers(self.manifest, self.worker_files, self.intact, own.path if own else None)

    def claims(self, worker: Worker, scope: str) -> Claims:
        """Begin to claim chunks of the work that ``scope`` names (letters, digits, - and _). Raises StoreError."""
        return Claims(self.root, scope, worker.token)

    def states(
        self, plan: Plan, ledger: Ledger, profile: str = "", digest: Callable[[Path], str] | None = None
    ) -> States:
        """What is known of each job. With ``profile`` (a digest), jobs done under others are told apart; with
        ``digest`` (``media.png.file_digest``) every file is read and compared."""
        states = States(bytearray(len(plan)), self._orphans(plan, ledger), ledger.damaged_lines)
        for i, job_id in enumerate(plan.ids):
            record = ledger.get(job_id)
            if record is not None:
                states.set(i, self._state(record, profile, digest))
        return states

    def _state(self, record: Record, profile: str, digest: Callable[[Path], str] | None) -> State:
        if not record.done:
            return State.FAILED
        if not self.intact(record) or (digest is not None and _digest(digest, self.file(record)) != record.file):
            return State.STALE
        return State.OTHER if profile and record.profile != profile else State.DONE

    def _orphans(self, plan: Plan, ledger: Ledger) -> tuple[str, ...]:
        planned = set(plan.ids)
        left = {i for i in ledger if i not in planned}
        for path in [self.plan, *self.root.glob("plans/*.jsonl")] if left else []:
            with suppress(OSError):
                left.difference_update(plan_file.kept_ids(path))
        return tuple(sorted(left))

    def strays(self, ledger: Ledger) -> Iterator[Path]:
        """Files in images/ and videos/ that no record names."""
        named = {Path(r.path).stem for r in ledger.records()}  # a video's poster and metadata share its stem
        for folder in file_names.FOLDERS:
            with suppress(OSError):
                yield from (p for p in sorted((self.root / folder).iterdir()) if p.stem not in named and p.is_file())

    def profile(self, digest: str) -> Profile | None:
        """A recorded profile; None if it is not there or is not what its name says."""
        try:
            data: dict[str, Any] = json.loads(self.profile_path(digest).read_bytes())
            versions = tuple((str(k), str(v)) for k, v in data.pop("versions").items())
            found = Profile(**data, versions=versions)
            return found if found.digest == digest else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def worker(self, shard: int = 0) -> Worker:
        """Begin to write; raises StoreError if that is not possible."""
        return Worker(self.workers, shard, self.durable)

    def keep_profile(self, worker: Worker, profile: Profile) -> None:
        if self.profile(profile.digest) is None:
            text = json.dumps(profile.asdict(), indent=2) + "\n"
            worker.save(self.profile_path(profile.digest), [text.encode()])

    def keep_plan(self, worker: Worker, plan: Plan) -> None:
        """Make plan.jsonl say ``plan``; the plan before it is kept under its digest."""
        if plan_file.is_kept(self.plan, plan):
            return
        with files.store_errors(self.plan), suppress(FileNotFoundError):
            old = plan_digest(plan_file.kept_ids(self.plan))
            if old != plan_digest(plan.ids):
                files.make_folder(self.kept_plan(old).parent)
                self.plan.replace(self.kept_plan(old))
        worker.save(self.plan, plan_file.lines(plan))

    def compact(self, worker: Worker, plan: Plan, without: Container[str] = ()) -> Ledger:
        """End ``worker``: its lines and those of dead workers go into manifest.jsonl (those of ids in ``without`` go
        for good), then summary.json is written.

        Several processes may end at once: one after the other they merge what is there; files of living workers stay.
        Raises StoreError; then every line is still where it was.
        """
        with files.locked(self.workers / ".lock") as held, ExitStack() as stack:
            if not held:  # a file system without locks: nothing is known of the others, and readers merge as well
                worker.close()
                return self.ledger()
            found = self.worker_files()
            gone = compact.claim(found, worker.path, stack)
            ledger = self.ledger()
            lines = (ledger.line(i) + b"\n" for i in compact.order(ledger, plan.ids) if i not in without)
            compact.replace(self.manifest, lines, worker)
            compact.replace(self.summary, [compact.summary(ledger, plan.ids)], worker)
            for path in gone:
                files.remove(path)
            shots = list(self.root.glob("shots/*"))
            folders = [self.root / name for name in ("", *file_names.FOLDERS, "plans", "profiles")]
            compact.sweep([*folders, *shots], compact.living(found, gone))
        worker.close()
        with suppress(OSError):
            self.workers.rmdir()
        return ledger


def _digest(digest: Callable[[Path], str], path: Path) -> str:
    try:
        return digest(path)
    except (OSError, ValueError):
        return ""
