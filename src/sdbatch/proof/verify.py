"""``task=verify``: is every file as its record says, and does rendering again give the same bits?

Jobs are rendered by another process than the first time, shuffled, beside other neighbours, as their profile says.
Bits that differ within one profile break the promise (exit 3); between profiles they are measured and explained.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sdbatch import motion
from sdbatch.experiment import Experiment
from sdbatch.jobs import Job
from sdbatch.media import png
from sdbatch.progress import Progress
from sdbatch.proof import again, compare, repair
from sdbatch.proof.findings import Finding, Status, Verified
from sdbatch.runner.shelf import Shelf
from sdbatch.store import Record, Store
from sdbatch.store.plans import Plan
from sdbatch.weights import Source

CHUNK = 256  # jobs rendered again before they are compared and thrown away


@dataclass(frozen=True, slots=True)
class Case:
    """What is verified: the jobs of ``plan`` (those of ``part``) in ``store``, and what renders them."""

    plan: Plan
    part: range
    store: Store
    source: Source
    experiment: Experiment


def verify(case: Case, progress: Callable[[], Progress] = Progress) -> Verified:
    """Check the files of ``case``, render a sample again, compare, and repair if asked to. Raises Interrupted."""
    return _Verifier(case, progress).run()


class _Verifier:
    def __init__(self, case: Case, progress: Callable[[], Progress]) -> None:
        self.case = case
        self.progress = progress
        self.ledger = case.store.ledger()
        self.found = Verified(len(case.part), held=len(self.ledger))
        self.damaged: set[int] = set()

    def run(self) -> Verified:
        settings = self.case.experiment.verify
        sound = self._sound()
        dice = random.Random(settings.seed)  # noqa: S311  (a fair choice, not a secret)
        chosen = sound if settings.sample is None else dice.sample(sound, min(settings.sample, len(sound)))
        todo = [*chosen, *(sorted(self.damaged) if settings.repair else ())]
        dice.shuffle(todo)
        for digest, positions in self._by_profile(todo).items():
            self._under(digest, positions)
        self.found.findings.sort(key=lambda f: f.path)
        return self.found

    def _sound(self) -> list[int]:
        """Positions of recorded jobs whose files are as recorded; the others are damaged."""
        sound = []
        for i in self.case.part:
            record = self.ledger.get(self.case.plan.ids[i])
            if record is None or not record.done:
                continue
            self.found.recorded += 1
            if finding := _damage(self.case.store, record):
                self.damaged.add(i)
                if not self.case.experiment.verify.repair:
                    self.found.findings.append(finding)
            else:
                sound.append(i)
        return sound

    def _by_profile(self, todo: Sequence[int]) -> dict[str, list[int]]:
        out: dict[str, list[int]] = {}
        for i in todo:
            if self.case.plan[i].shot.model == self.case.source.model:
                out.setdefault(self._record(i).profile, []).append(i)
            else:
                self._say(i, Status.WEIGHTS, "made with other weights than model= names")
        return out

    def _under(self, digest: str, positions: list[int]) -> None:
        """Render again what was recorded under one profile, and compare."""
        case, recorded = self.case, self.case.store.profile(digest)
        renderer = again.open_as(recorded, case.source, case.experiment)
        try:
            for at in range(0, len(positions), CHUNK):
                part = positions[at : at + CHUNK]
                jobs = [again.as_recorded(case.plan[i], self._record(i)) for i in part]
                with again.rendered(jobs, renderer, case.experiment, self.progress()) as made:
                    self._judge(part, made)
        finally:
            renderer.close()
        self.found.profiles[digest] = None if recorded is None else compare.profiles(recorded, renderer.profile)

    def _judge(self, part: list[int], made: Store) -> None:
        """Compare what was ``made`` with what is there; put right what is broken."""
        ledger, right = made.ledger(), []
        for i in part:
            record, new = self._record(i), ledger.get(self.case.plan.ids[i])
            if new is None or not new.done:
                self._say(i, Status.FAILED, new.error if new else "it was not rendered")
            elif i in self.damaged:
                right.append(new)
                self._say(i, Status.REPAIRED, "the same bytes" if new.file == record.file else "other bytes")
            else:
                job = self.case.plan[i]
                self.found.findings.append(_compared(job, new, self.case.store, made, record))
        if right:
            repair.put_right(self.case.store, made, right)

    def _say(self, i: int, status: Status, note: str) -> None:
        record = self._record(i)
        self.found.findings.append(Finding(record.id, record.path, status, record.profile, note))

    def _record(self, i: int) -> Record:
        record = self.ledger.get(self.case.plan.ids[i])
        assert record is not None
        return record


def _damage(store: Store, record: Record) -> Finding | None:
    """What is wrong with the file of ``record``, or with what lies beside it, without rendering anything."""
    path = store.file(record)
    try:
        there = png.file_digest(path)
    except (OSError, ValueError):
        return Finding(record.id, record.path, Status.MISSING, record.profile, "the file is missing")
    if there != record.file:
        cut = "" if path.stat().st_size >= record.size else f", {record.size - path.stat().st_size:,} bytes shorter"
        return Finding(record.id, record.path, Status.CHANGED, record.profile, f"the file was changed{cut}")
    if record.path.startswith("videos/") and not path.with_suffix(".png").is_file():
        return Finding(record.id, record.path, Status.MISSING, record.profile, "its poster is missing")
    return None


def _compared(job: Job, new: Record, store: Store, made: Store, record: Record) -> Finding:
    if new.file == record.file and new.pixels == record.pixels:  # its bytes were compared with the record's digest
        return Finding(record.id, record.path, Status.EQUAL, record.profile)
    distance = compare.files(store.file(record), made.file(new))
    if new.pixels != record.pixels:
        distance = _shots(job, (store, record), (made, new)) or distance
        if distance.equal:
            distance = replace(distance, why="its shots differ, or their digest in the manifest was changed")
    status = Status.EQUAL if distance.equal else Status.DIFFERS if new.profile == record.profile else Status.OTHER
    note = "equal pixels; the file says something else of itself" if distance.equal else str(distance)
    return Finding(record.id, record.path, status, record.profile, note, distance)


def _shots(job: Job, one: tuple[Store, Record], other: tuple[Store, Record]) -> compare.Distance | None:
    """How far apart the shots of a film are, where both are still there: a codec blurs over its frames."""
    ids = [shot.id for shot in motion.shots(job)] if job.film else []
    shelves = [Shelf(store, record.profile, store.ledger()) for store, record in (one, other)]
    paths = [[path for i in ids if (path := shelf.path(i))] for shelf in shelves]
    if not ids or any(len(found) < len(ids) for found in paths):
        return None
    found = compare.shots(*paths)
    return None if found.equal or found.why else found
