"""The results of verify: statuses, exit code, JSON. Does not read files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sdbatch.tasks.verify.compare import Distance


class Status(StrEnum):
    EQUAL = "bit_equal"
    DIFFERS = "differs"
    OTHER = "differs_other_profile"
    CHANGED = "changed"
    MISSING = "missing"
    REPAIRED = "repaired"
    FAILED = "failed"
    WEIGHTS = "other_weights"


DAMAGED = (Status.CHANGED, Status.MISSING)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one job or profile; ``note`` is a message for users."""

    id: str
    path: str
    status: Status
    profile: str = ""
    note: str = ""
    distance: Distance | None = None

    def asdict(self) -> dict[str, Any]:
        out = {"id": self.id, "path": self.path, "status": str(self.status), "profile": self.profile}
        more = {"distance": self.distance.asdict()} if self.distance else {}
        return out | more | ({"note": self.note} if self.note else {})


@dataclass(slots=True)
class Verified:
    """All results. ``profiles``: digest -> differences from the current profile (None: unknown)."""

    jobs: int
    held: int = 0  # records in the folder, of other plans
    damaged_lines: int = 0  # unreadable lines of the manifest
    recorded: int = 0
    findings: list[Finding] = field(default_factory=list)
    profiles: dict[str, list[dict[str, str]] | None] = field(default_factory=dict)

    def count(self, *statuses: Status) -> int:
        return sum(f.status in statuses for f in self.findings)

    @property
    def code(self) -> int:
        """3: differences or damaged files; 1: some or all jobs could not be compared; else 0."""
        if self.count(Status.DIFFERS, *DAMAGED):
            return 3
        compared = self.count(Status.EQUAL, Status.REPAIRED)
        if self.count(Status.FAILED, Status.WEIGHTS) or not self.recorded:
            return 1
        return 1 if self.count(Status.OTHER) and not compared else 0

    def asdict(self) -> dict[str, Any]:
        counts = Counter(str(f.status) for f in self.findings)
        return {
            "jobs": self.jobs,
            "recorded": self.recorded,
            "damaged_lines": self.damaged_lines,
            "counts": {str(s): counts[str(s)] for s in Status},
            "profiles": self.profiles,
            "findings": [f.asdict() for f in self.findings if f.status != Status.EQUAL],
            "exit_code": self.code,
        }
