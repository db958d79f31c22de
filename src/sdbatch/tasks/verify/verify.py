"""Checks that every file matches its record, and that rendering it again gives the same bits.

Jobs are rendered in another process, in random order, so with other batch composition, under their recorded profile.
Different bits under the same profile are an error (exit code 3); under another profile the differences are reported.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdbatch.config.experiment import Experiment
from sdbatch.models.source import Source
from sdbatch.spec.renderer import Profile
from sdbatch.store import Record, Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import rerender
from sdbatch.tasks.verify import check, compare, repair
from sdbatch.tasks.verify.findings import DAMAGED, Finding, Status, Verified
from sdbatch.terminal.progress import Progress

CHUNK = 256  # jobs rendered into one temporary store


@dataclass(frozen=True, slots=True)
class Case:
    """What to verify: the jobs ``part`` of ``plan`` in ``store``; ``sources`` and ``experiment`` render them.

    ``pictures=False``: the store has records without files, so new files are compared with digests.
    """

    plan: Plan
    part: Sequence[int]
    store: Store
    sources: Sequence[Source]
    experiment: Experiment
    pictures: bool = True


def verify(case: Case, progress: Callable[[], Progress] = Progress) -> Verified:
    """Check all files of ``case``, render a sample again and compare; repair with ``verify.repair``.

    Raises Interrupted, and ConfigError for LoRAs, textual inversions and users' pictures that are not here.
    """
    inputs = rerender.inputs_of((case.plan[i] for i in case.part), case.experiment)
    sources = rerender.with_adapters(case.sources, (case.plan[i] for i in case.part), case.experiment, case.plan)
    return _Verifier(replace(case, sources=sources), progress, inputs).run()


class _Verifier:
    def __init__(self, case: Case, progress: Callable[[], Progress], inputs: Mapping[str, Path]) -> None:
        self.case = case
        self.inputs = inputs
        self.progress = progress
        self.ledger = case.store.ledger()
        others = len({r.id for r in self.ledger.records()}.difference(case.plan.ids))
        self.found = Verified(len(case.part), held=others, damaged_lines=self.ledger.damaged_lines)
        self.damaged: set[int] = set()

    def run(self) -> Verified:
        settings = self.case.experiment.verify
        intact = self._intact()
        rng = random.Random(settings.seed)  # noqa: S311  (not used for security)
        chosen = intact if settings.sample is None else rng.sample(intact, min(settings.sample, len(intact)))
        todo = [*chosen, *(sorted(self.damaged) if settings.repair else ())]
        rng.shuffle(todo)
        profiles = self._profiles([*intact, *sorted(self.damaged)])
        for digest, positions in self._by_profile(todo).items():
            self._verify_profile(digest, profiles[digest], positions)
        self.found.findings.sort(key=lambda f: f.path)
        return self.found

    def _intact(self) -> list[int]:
        """Positions of the jobs whose files match their records; the others are added to ``damaged``."""
        intact = []
        for i in self.case.part:
            record = self.ledger.get(self.case.plan.ids[i])
            if record is None or not record.done:
                continue
            self.found.recorded += 1
            if self.case.pictures and (finding := check.damage(self.case.store, record)):
                self.damaged.add(i)
                if not self.case.experiment.verify.repair:
                    self.found.findings.append(finding)
            else:
                intact.append(i)
        return intact

    def _profiles(self, positions: Sequence[int]) -> dict[str, Profile | None]:
        """The profiles of all records by digest. Damaged profile files are reported, or restored with repair."""
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
        known = {source.model for source in self.case.sources}
        for i in todo:
            if self.case.plan[i].shot.model.plain in known:
                out.setdefault(self._record(i).profile, []).append(i)
            else:
                self._add(i, Status.WEIGHTS, "rendered with other weights than those of model=")
        return out

    def _verify_profile(self, digest: str, recorded: Profile | None, positions: list[int]) -> None:
        """Render again the jobs recorded under one profile, and compare."""
        case = self.case
        renderer = rerender.open_as(recorded, case.sources, case.experiment)
        try:
            for at in range(0, len(positions), CHUNK):
                part = positions[at : at + CHUNK]
                jobs = [rerender.as_recorded(case.plan[i], self._record(i)) for i in part]
                with rerender.rendered(jobs, renderer, case.experiment, self.progress(), self.inputs) as made:
                    self._compare(part, made)
        finally:
            renderer.close()
        self.found.profiles[digest] = None if recorded is None else compare.profiles(recorded, renderer.profile)

    def _compare(self, part: list[int], made: Store) -> None:
        """Compare the new files in ``made`` with the stored ones; with repair, replace damaged ones."""
        ledger, repaired, repair_damaged = made.ledger(), [], self.case.experiment.verify.repair
        for i in part:
            record, new = self._record(i), ledger.get(self.case.plan.ids[i])
            if new is None or not new.done:
                self._add(i, Status.FAILED, new.error if new else "it was not rendered")
                continue
            finding = None if i in self.damaged else self._finding(i, record, made, new)
            if finding is None or (repair_damaged and finding.status in DAMAGED):
                repaired.append(new)
                self._add(i, Status.REPAIRED, "the same bytes" if new.file == record.file else "other bytes")
            else:
                self.found.findings.append(finding)
        if repaired:
            repair.restore_jobs(self.case.store, made, repaired)

    def _finding(self, i: int, record: Record, made: Store, new: Record) -> Finding:
        if not self.case.pictures:
            return check.digests(record, new)
        return check.compared(self.case.plan[i], (self.case.store, record), (made, new))

    def _add(self, i: int, status: Status, note: str) -> None:
        record = self._record(i)
        self.found.findings.append(Finding(record.id, record.path, status, record.profile, note))

    def _record(self, i: int) -> Record:
        record = self.ledger.get(self.case.plan.ids[i])
        assert record is not None
        return record
