"""Compares a file with its record, and a job with the same job rendered again."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from sdbatch import files, motion
from sdbatch.errors import ConfigError
from sdbatch.media import metadata
from sdbatch.plan import parse
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.spec import file_names
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Profile
from sdbatch.store import Record, Store
from sdbatch.tasks.verify import compare, repair
from sdbatch.tasks.verify.findings import Finding, Status

Held = tuple[Store, Record]
MAX_FILES = 10  # files that are read to find a missing profile


def damage(store: Store, record: Record) -> Finding | None:
    """What is wrong with the file of ``record`` or its poster, or None. Renders nothing."""
    path = store.file(record)
    try:
        digest = files.file_digest(path)
    except (OSError, ValueError):
        return Finding(record.id, record.path, Status.MISSING, record.profile, "the file is missing")
    if digest != record.file:
        cut = "" if path.stat().st_size >= record.size else f", {record.size - path.stat().st_size:,} bytes shorter"
        return Finding(record.id, record.path, Status.CHANGED, record.profile, f"the file was changed{cut}")
    if not file_names.is_picture(path) and not file_names.poster(path).is_file():
        return Finding(record.id, record.path, Status.MISSING, record.profile, "its poster is missing")
    return None


def compared(job: Job, before: Held, again: Held) -> Finding:
    """Compare the files of ``job`` before and after it was rendered again."""
    (store, record), (made, new) = before, again
    if new.file == record.file and new.pixels == record.pixels:  # ``damage`` has compared the file with its record
        return _sidecars(before, again) or Finding(record.id, record.path, Status.EQUAL, record.profile)
    distance = compare.files(store.file(record), made.file(new))
    if new.pixels != record.pixels:
        distance = _shots(job, before, again) or distance
        if distance.equal:
            distance = replace(distance, why="its shots differ, or their digest in the manifest was changed")
    status = Status.EQUAL if distance.equal else Status.DIFFERS if new.profile == record.profile else Status.OTHER
    other = "metadata or the sound" if job.video and job.video.encoding.audio else "metadata"
    note = f"equal pixels; the {other} differs" if distance.equal else str(distance)
    return Finding(record.id, record.path, status, record.profile, note, distance)


def digests(record: Record, new: Record) -> Finding:
    """Compare the digests of a job that was rendered again with its record, where the file itself is not there."""
    if new.file == record.file and new.pixels == record.pixels:
        return Finding(record.id, record.path, Status.EQUAL, record.profile)
    if new.pixels == record.pixels:
        return Finding(record.id, record.path, Status.EQUAL, record.profile, "equal pixels; the metadata differs")
    status = Status.DIFFERS if new.profile == record.profile else Status.OTHER
    note = "other pixels; how far they differ is unknown, because only digests were published"
    return Finding(record.id, record.path, status, record.profile, note)


def _sidecars(before: Held, again: Held) -> Finding | None:
    """Compare poster and metadata of a video with the new ones; no record has their digests. None: equal."""
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
    """(profile, finding) of ``digest``. If its file is missing or changed, read the profile from ``records``' files."""
    if (found := store.profile(digest)) is not None:
        return found, None
    path = store.profile_path(digest)
    status, what = (Status.CHANGED, "was changed") if path.is_file() else (Status.MISSING, "is missing")
    found = next(
        (p for r in islice(records, MAX_FILES) if (p := _embedded_profile(store, r)) and p.digest == digest), None
    )
    note = f"the profile of its jobs {what}" + (
        "; it was read from their metadata" if found else ", and is not in their metadata"
    )
    return found, Finding(digest, f"profiles/{path.name}", status, digest, note)


def _embedded_profile(store: Store, record: Record) -> Profile | None:
    """The profile in the metadata of a record's file, or None."""
    with suppress(ValueError, ConfigError):
        return parse.profile(metadata.read(store.file(record)).get("profile"))
    return None


def _shots(job: Job, before: Held, again: Held) -> compare.Distance | None:
    """The distance between the shots of two videos if all are stored; a codec spreads it over frames."""
    ids = motion.shot_ids(job) if job.video else ()
    caches = [ShotCache(store, record.profile, store.ledger()) for store, record in (before, again)]
    paths = [[path for i in ids if (path := cache.path(i))] for cache in caches]
    if not ids or any(len(found) < len(ids) for found in paths):
        return None
    found = compare.shots(*paths)
    return None if found.equal or found.why else found
