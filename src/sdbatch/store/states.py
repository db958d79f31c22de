"""The states of a plan's jobs, in one byte per job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    NEW = "new"
    DONE = "done"
    OTHER = "done_other_profile"
    FAILED = "failed"
    STALE = "stale"  # recorded, but its file is missing or changed


TO_RENDER = (State.NEW, State.FAILED, State.STALE)  # what a run renders
_ORDER = tuple(State)
_CODE = {state: code for code, state in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class States:
    """States by position in the plan; ``orphans`` are recorded ids in no stored plan; ``damaged_lines`` counts
    unreadable manifest lines."""

    codes: bytearray
    orphans: tuple[str, ...] = ()
    damaged_lines: int = 0

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, i: int) -> State:
        return _ORDER[self.codes[i]]

    def set(self, i: int, state: State) -> None:
        self.codes[i] = _CODE[state]

    @property
    def counts(self) -> dict[State, int]:
        """The number of jobs in each state, including states without jobs."""
        found = Counter(self.codes)
        return {state: found[code] for state, code in _CODE.items()}

    def where(self, *states: State, part: Sequence[int] | None = None) -> Iterator[int]:
        """Positions (of ``part``, else of the whole plan) in any of ``states``."""
        wanted = {_CODE[s] for s in states}
        return (i for i in (range(len(self.codes)) if part is None else part) if self.codes[i] in wanted)
