"""One file against its record, and one job against itself rendered again."""

from __future__ import annotations

from dataclasses import replace

from sdbatch import motion
from sdbatch.jobs import Job
from sdbatch.media import png
from sdbatch.proof import compare
from sdbatch.proof.findings import Finding, Status
from sdbatch.runner.shelf import Shelf
from sdbatch.store import Record, Store

Held = tuple[Store, Record]


def damage(store: Store, record: Record) -> Finding | None:
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


def compared(job: Job, before: Held, again: Held) -> Finding:
    """What is said of a ``job`` that was rendered again: where it was before, and where it is now."""
    (store, record), (made, new) = before, again
    if new.file == record.file and new.pixels == record.pixels:  # its bytes were compared with the record's digest
        return Finding(record.id, record.path, Status.EQUAL, record.profile)
    distance = compare.files(store.file(record), made.file(new))
    if new.pixels != record.pixels:
        distance = _shots(job, before, again) or distance
        if distance.equal:
            distance = replace(distance, why="its shots differ, or their digest in the manifest was changed")
    status = Status.EQUAL if distance.equal else Status.DIFFERS if new.profile == record.profile else Status.OTHER
    note = "equal pixels; the file says something else of itself" if distance.equal else str(distance)
    return Finding(record.id, record.path, status, record.profile, note, distance)


def _shots(job: Job, before: Held, again: Held) -> compare.Distance | None:
    """How far apart the shots of a film are, where both are still there: a codec blurs over its frames."""
    ids = [shot.id for shot in motion.shots(job)] if job.film else []
    shelves = [Shelf(store, record.profile, store.ledger()) for store, record in (before, again)]
    paths = [[path for i in ids if (path := shelf.path(i))] for shelf in shelves]
    if not ids or any(len(found) < len(ids) for found in paths):
        return None
    found = compare.shots(*paths)
    return None if found.equal or found.why else found
