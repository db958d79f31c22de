"""Merges worker files into manifest.jsonl, in plan order, and writes summary.json. No times and host names."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from hashlib import blake2b
from pathlib import Path

from sdbatch import files
from sdbatch.spec.canonical import plan_digest
from sdbatch.store.ledger import Ledger
from sdbatch.store.record import Record
from sdbatch.store.worker import Worker, token_of


def order(ledger: Ledger, ids: Sequence[str]) -> Iterator[str]:
    """Recorded ids: those of the plan in plan order, then the others, sorted."""
    planned = set(ids)
    yield from (i for i in ids if i in ledger)
    yield from sorted(i for i in ledger if i not in planned)


def claim(paths: Iterable[Path], own: Path | None, stack: ExitStack) -> list[Path]:
    """The worker files to remove after merging: our own, and those of dead processes, locked in ``stack``."""
    gone = []
    for path in paths:
        if path == own:
            gone.append(path)
            continue
        with suppress(OSError):
            fd = os.open(path, os.O_RDWR)
            stack.callback(os.close, fd)
            if files.try_lock(fd) and files.is_same_file(fd, path):
                gone.append(path)
    return gone


def sweep(folders: Iterable[Path], living: Callable[[], set[str]]) -> None:
    """Remove temporary files of dead processes.

    ``living`` gives the tokens of running processes. It is called after the files are listed, because a process can
    start at any time.
    """
    found: list[tuple[Path, str]] = []
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for name in [e.name for e in entries if e.name.startswith(".")]:
                mark, _, rest = name.lstrip(".").partition("-")  # the video encoder adds another dot in front
                if mark == "tmp":
                    found.append((folder / name, rest.partition("-")[0]))
    tokens = living() if found else set()
    for path, token in found:
        if token not in tokens:
            files.remove(path)


def living(paths: Iterable[Path], gone: Iterable[Path]) -> set[str]:
    return {token_of(p) for p in paths} - {token_of(p) for p in gone}


def replace(path: Path, pieces: Iterable[bytes], worker: Worker) -> None:
    """Write ``path`` unless its content is equal: an unchanged file keeps its time, which DVC's cache uses."""
    temporary = worker.temporary(path)
    files.write(temporary, pieces, worker.temporary(path), worker.durable)
    if _same(temporary, path):
        files.remove(temporary)
    else:
        worker.publish(temporary, path)


def _same(one: Path, other: Path) -> bool:
    try:
        with one.open("rb") as a, other.open("rb") as b:
            if os.fstat(a.fileno()).st_size != os.fstat(b.fileno()).st_size:
                return False
            return all(block == b.read(1 << 20) for block in iter(lambda: a.read(1 << 20), b""))
    except OSError:
        return False


def summary(ledger: Ledger, ids: Sequence[str]) -> bytes:
    """Counts and digests over the plan, as JSON."""
    counts: Counter[str] = Counter()
    profiles: Counter[str] = Counter()
    pixels = blake2b(digest_size=16)
    for job_id in ids:
        record = ledger.get(job_id)
        counts[record.status if record else "new"] += 1
        if record is not None:
            _count(record, counts, profiles)
            pixels.update(record.pixels.encode() + b"\n")
    data = {
        "plan": plan_digest(ids),
        "jobs": len(ids),
        **{k: counts[k] for k in ("done", "failed", "new", "warnings")},
        "pixels": f"b2:{pixels.hexdigest()}",
        "profiles": dict(sorted(profiles.items())),
    }
    return (json.dumps(data, indent=2) + "\n").encode()


def _count(record: Record, counts: Counter[str], profiles: Counter[str]) -> None:
    counts["warnings"] += len(record.alerts)
    if record.done:
        profiles[record.profile] += 1
