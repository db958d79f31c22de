"""What verify found, and what it means: statuses, an exit code, JSON. Knows no files."""

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
    """What verify says of one job; ``note`` is for users."""

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
    """Everything found. ``profiles``: recorded digest -> what differs from the present profile (None: unknown)."""

    jobs: int
    held: int = 0  # records in the folder, of other plans
    garbage: int = 0  # lines of the manifest that are not records
    recorded: int = 0
    findings: list[Finding] = field(default_factory=list)
    profiles: dict[str, list[dict[str, str]] | None] = field(default_factory=dict)

    def count(self, *statuses: Status) -> int:
        return sum(f.status in statuses for f in self.findings)

    @property
    def code(self) -> int:
        """3: a promise is broken; 1: something could not be compared, or nothing was there to compare; else 0."""
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
            "damaged_lines": self.garbage,
            "counts": {str(s): counts[str(s)] for s in Status},
            "profiles": self.profiles,
            "findings": [f.asdict() for f in self.findings if f.status != Status.EQUAL],
            "exit_code": self.code,
        }
