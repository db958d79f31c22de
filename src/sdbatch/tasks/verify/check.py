"""One file against its record, and one job against itself rendered again."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from sdbatch import motion
from sdbatch.errors import ConfigError
from sdbatch.media import metadata, png
from sdbatch.plan import parse
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.spec import file_names
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Profile
from sdbatch.store import Record, Store
from sdbatch.tasks.verify import compare, repair
from sdbatch.tasks.verify.findings import Finding, Status

Held = tuple[Store, Record]
ASKED = 10  # files that are asked for a profile


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
    if not file_names.is_picture(path) and not file_names.poster(path).is_file():
        return Finding(record.id, record.path, Status.MISSING, record.profile, "its poster is missing")
    return None


def compared(job: Job, before: Held, again: Held) -> Finding:
    """What is said of a ``job`` that was rendered again: where it was before, and where it is now."""
    (store, record), (made, new) = before, again
    if new.file == record.file and new.pixels == record.pixels:  # its bytes were compared with the record's digest
        return _beside(before, again) or Finding(record.id, record.path, Status.EQUAL, record.profile)
    distance = compare.files(store.file(record), made.file(new))
    if new.pixels != record.pixels:
        distance = _shots(job, before, again) or distance
        if distance.equal:
            distance = replace(distance, why="its shots differ, or their digest in the manifest was changed")
    status = Status.EQUAL if distance.equal else Status.DIFFERS if new.profile == record.profile else Status.OTHER
    note = "equal pixels; the file says something else of itself" if distance.equal else str(distance)
    return Finding(record.id, record.path, status, record.profile, note, distance)


def _beside(before: Held, again: Held) -> Finding | None:
    """What lies beside a video is in no record: its poster and its metadata are compared with those made again."""
    (store, record), (made, new) = before, again
    path = store.file(record)
    for other in repair.with_sidecars(made.file(new)) if new.profile == record.profile else ():
        own, what = path.with_suffix(other.suffix), "metadata" if other == file_names.sidecar(other) else "poster"
        if not own.is_file():
            status, how = Status.MISSING, "is missing"
        elif own != path and not filecmp.cmp(own, other, shallow=False):
            status, how = Status.CHANGED, "was changed"
        else:
            continue
        return Finding(record.id, record.path, status, record.profile, f"its {what} {how} ({own.name})")
    return None


def profile(store: Store, digest: str, records: Iterable[Record]) -> tuple[Profile | None, Finding | None]:
    """The profile of ``records``, and what is wrong with its file; then what one of the records' files says."""
    if (found := store.profile(digest)) is not None:
        return found, None
    path = store.profile_path(digest)
    status, what = (Status.CHANGED, "was changed") if path.is_file() else (Status.MISSING, "is missing")
    found = next((p for r in islice(records, ASKED) if (p := _said(store, r)) and p.digest == digest), None)
    note = f"how its jobs were rendered {what}" + ("; they say it themselves" if found else ", and they do not say it")
    return found, Finding(digest, f"profiles/{path.name}", status, digest, note)


def _said(store: Store, record: Record) -> Profile | None:
    """The profile that a file says it was made with."""
    with suppress(ValueError, ConfigError):
        return parse.profile(metadata.read(store.file(record)).get("profile"))
    return None


def _shots(job: Job, before: Held, again: Held) -> compare.Distance | None:
    """How far apart the shots of a video are, where both are still there: a codec blurs over its frames."""
    ids = motion.shot_ids(job) if job.video else ()
    caches = [ShotCache(store, record.profile, store.ledger()) for store, record in (before, again)]
    paths = [[path for i in ids if (path := cache.path(i))] for cache in caches]
    if not ids or any(len(found) < len(ids) for found in paths):
        return None
    found = compare.shots(*paths)
    return None if found.equal or found.why else found
