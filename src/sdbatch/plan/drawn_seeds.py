"""``seeds: random``: one number is drawn and kept in the experiment's folder, and all seeds follow from it.

So the same command finds the same seeds, ``random*8`` begins with those of ``random*4``, and workers that start at the
same time agree.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from pathlib import Path

from sdbatch import files
from sdbatch.config.experiment import Experiment
from sdbatch.spec.ranges import random_seeds

NAME = "seeds.txt"
LENGTH = 32  # hex digits


@dataclass(frozen=True, slots=True)
class Draw:
    """A drawn number in hex, and whether it is kept already."""

    number: str
    kept: bool

    def seeds(self, wanted: int) -> tuple[int, ...]:
        """The first ``wanted`` seeds: distinct, 0 to 2³²-1 (other programs have no larger ones)."""
        digests = (blake2b(f"{self.number}{i}".encode(), digest_size=4).digest() for i in count())
        distinct = dict[int, None]()
        while len(distinct) < wanted:
            distinct.setdefault(int.from_bytes(next(digests), "big"))
        return tuple(distinct)


def draw(experiment: Experiment) -> Draw | None:
    """The draw that is kept for ``experiment``, or a new one; None without random seeds. Writes nothing."""
    if random_seeds(experiment.seeds) is None:
        return None
    kept = None if experiment.new_seeds else _read(experiment.folder / NAME)
    return Draw(kept or secrets.token_hex(LENGTH // 2), kept is not None)


def keep(folder: Path, made: Draw, replace: bool) -> None:
    """Write ``made`` into an experiment's ``folder``, unless another process was first and not ``replace``.

    Raises StoreError.
    """
    path, data = folder / NAME, f"{made.number}\n".encode()
    files.make_folder(folder)
    if replace or (path.exists() and _read(path) is None):  # damaged
        files.replace(path, data)
    else:
        files.create(path, data)


def _read(path: Path) -> str | None:
    try:
        text = path.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if len(text) == LENGTH and not set(text) - set("0123456789abcdef") else None
