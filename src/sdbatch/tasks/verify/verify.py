"""``task=verify``: is every file as its record says, and does rendering again give the same bits?

Jobs are rendered by another process than the first time, shuffled, beside other neighbours, as their profile says.
Bits that differ within one profile break the promise (exit 3); between profiles they are measured and explained.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sdbatch.config.experiment import Experiment
from sdbatch.models.source import Source
from sdbatch.spec.renderer import Profile
from sdbatch.store import Record, Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import rerender
from sdbatch.tasks.verify import check, compare, repair
from sdbatch.tasks.verify.findings import DAMAGED, Finding, Status, Verified
from sdbatch.terminal.progress import Progress

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
        others = len({r.id for r in self.ledger.records()}.difference(case.plan.ids))
        self.found = Verified(len(case.part), held=others, garbage=self.ledger.garbage)
        self.damaged: set[int] = set()

    def run(self) -> Verified:
        settings = self.case.experiment.verify
        sound = self._sound()
        dice = random.Random(settings.seed)  # noqa: S311  (a fair choice, not a secret)
        chosen = sound if settings.sample is None else dice.sample(sound, min(settings.sample, len(sound)))
        todo = [*chosen, *(sorted(self.damaged) if settings.repair else ())]
        dice.shuffle(todo)
        profiles = self._profiles([*sound, *sorted(self.damaged)])
        for digest, positions in self._by_profile(todo).items():
            self._under(digest, profiles[digest], positions)
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
            if finding := check.damage(self.case.store, record):
                self.damaged.add(i)
                if not self.case.experiment.verify.repair:
                    self.found.findings.append(finding)
            else:
                sound.append(i)
        return sound

    def _profiles(self, positions: Sequence[int]) -> dict[str, Profile | None]:
        """The profiles of all records; what is wrong with their files is found, and repair if asked to."""
        records: dict[str, list[Record]] = {}
        for i in positions:
            records.setdefault(self._record(i).profile, []).append(self._record(i))
        out = {}
        for digest, theirs in records.items():
            out[digest], finding = check.profile(self.case.store, digest, theirs)
            if finding is not None and (found := out[digest]) and self.case.experiment.verify.repair:
                repair.restore_profile(self.case.store, found)
                finding = replace(finding, status=Status.REPAIRED)
            self.found.findings += [finding] if finding else []
        return out

    def _by_profile(self, todo: Sequence[int]) -> dict[str, list[int]]:
        out: dict[str, list[int]] = {}
        for i in todo:
            if self.case.plan[i].shot.model == self.case.source.model:
                out.setdefault(self._record(i).profile, []).append(i)
            else:
                self._say(i, Status.WEIGHTS, "made with other weights than model= names")
        return out

    def _under(self, digest: str, recorded: Profile | None, positions: list[int]) -> None:
        """Render again what was recorded under one profile, and compare."""
        case = self.case
        renderer = rerender.open_as(recorded, case.source, case.experiment)
        try:
            for at in range(0, len(positions), CHUNK):
                part = positions[at : at + CHUNK]
                jobs = [rerender.as_recorded(case.plan[i], self._record(i)) for i in part]
                with rerender.rendered(jobs, renderer, case.experiment, self.progress()) as made:
                    self._judge(part, made)
        finally:
            renderer.close()
        self.found.profiles[digest] = None if recorded is None else compare.profiles(recorded, renderer.profile)

    def _judge(self, part: list[int], made: Store) -> None:
        """Compare what was ``made`` with what is there; repair what is broken."""
        ledger, right, mend = made.ledger(), [], self.case.experiment.verify.repair
        for i in part:
            record, new = self._record(i), ledger.get(self.case.plan.ids[i])
            if new is None or not new.done:
                self._say(i, Status.FAILED, new.error if new else "it was not rendered")
                continue
            whole = i not in self.damaged
            finding = check.compared(self.case.plan[i], (self.case.store, record), (made, new)) if whole else None
            if finding is None or (mend and finding.status in DAMAGED):
                right.append(new)
                self._say(i, Status.REPAIRED, "the same bytes" if new.file == record.file else "other bytes")
            else:
                self.found.findings.append(finding)
        if right:
            repair.restore_jobs(self.case.store, made, right)

    def _say(self, i: int, status: Status, note: str) -> None:
        record = self._record(i)
        self.found.findings.append(Finding(record.id, record.path, status, record.profile, note))

    def _record(self, i: int) -> Record:
        record = self.ledger.get(self.case.plan.ids[i])
        assert record is not None
        return record
