"""Every file of a research object against its digests, and the digests against each other.

Two files hold digests: SHA256SUMS and ro-crate-metadata.json. So a changed digest is told from a changed file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from sdbatch.errors import ConfigError
from sdbatch.files import archive
from sdbatch.files.archive import Container
from sdbatch.media import credentials
from sdbatch.store import Record
from sdbatch.tasks.publish.layout import COLUMNS, DIGESTS, METADATA, SIGNED, SUMS
from sdbatch.tasks.verify.findings import Finding, Status

TEXT_LIMIT = 1 << 30  # bytes of one file that is read as a whole
_SUM = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


@dataclass(slots=True)
class Digests:
    """SHA-256 by name: of the files as they are, as SHA256SUMS and as ro-crate-metadata.json say."""

    present: dict[str, str] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)


def findings(crate: Container) -> list[Finding]:
    """What is not as published; empty for an intact crate."""
    digests, found = Digests(), [changed(name, why) for name, why in crate.odd]
    for name in crate.sizes:
        try:
            digests.present[name] = archive.digest(crate, name)
        except ValueError as e:
            digests.present[name] = ""
            found.append(changed(name, str(e)))
    found += _read_sums(crate, digests)
    found += _read_metadata(crate, digests)
    named = {finding.path for finding in found}
    for name in sorted({*digests.present, *digests.sums, *digests.described} - {SUMS}):
        if name not in named and (finding := _compared(name, digests)):
            found.append(finding)
    if any(finding.path == METADATA for finding in found):  # no third digest tells which of the two was changed
        found.append(changed(SUMS, f"or only its line for {METADATA} was changed"))
    return found


def _read_sums(crate: Container, digests: Digests) -> list[Finding]:
    if SUMS not in crate.sizes:
        return [Finding("", SUMS, Status.MISSING, note=f"{SUMS} is missing")]
    try:
        text = archive.read(crate, SUMS, TEXT_LIMIT).decode()
    except (ValueError, UnicodeError) as e:
        return [changed(SUMS, f"cannot be read: {e}")]
    lines = text.split("\n")
    read = [m.groups() for line in lines if (m := _SUM.fullmatch(line))]
    digests.sums |= {name: digest for digest, name in read}
    if len(read) != len(lines) - 1 or lines[-1] or len(digests.sums) != len(read):
        return [changed(SUMS, "a line is not a digest and a name, or is there twice")]
    return []


def _read_metadata(crate: Container, digests: Digests) -> list[Finding]:
    if METADATA not in crate.sizes:
        return []  # SHA256SUMS lists it
    try:
        graph = json.loads(archive.read(crate, METADATA, TEXT_LIMIT))["@graph"]
        digests.described |= dict(_described(graph))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [changed(METADATA, "is not an RO-Crate")]
    return []


def _described(graph: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for entity in graph:
        if entity.get("@type") == "File" and isinstance(entity.get("sha256"), str):
            yield unquote(entity["@id"]), entity["sha256"]


def _compared(name: str, digests: Digests) -> Finding | None:
    """What is wrong with one file, told by which of its digests agree."""
    present, listed, described = (d.get(name) for d in (digests.present, digests.sums, digests.described))
    if present == listed and (described == listed or name == METADATA):
        return None
    if present is None:
        if listed and described:
            return Finding("", name, Status.MISSING, note="the file is missing")
        what = SUMS if listed else METADATA
        return changed(what, f"names {name}, which is not in the crate and which the other list does not name")
    if listed is None:
        if described == present:
            return changed(SUMS, f"does not list {name}")
        return changed(name, "is not a part of the crate")
    if listed == present:
        return changed(METADATA, f"has another digest of {name}, or none")
    if described == present:
        return changed(SUMS, f"has another digest of {name}")
    return changed(name, "the file was changed")


def changed(name: str, note: str) -> Finding:
    return Finding("", name, Status.CHANGED, note=note)


def signatures(crate: Container) -> tuple[dict[str, int], list[Finding]]:
    """(how many signed copies are in which state, the invalid ones); without C2PA the state is ``not checked``."""
    counts, found = dict[str, int](), list[Finding]()
    for name in crate.sizes:
        suffix = PurePosixPath(name).suffix
        if not name.startswith(f"{SIGNED}/") or suffix not in credentials.FORMATS:
            continue
        try:
            state = credentials.state(io.BytesIO(archive.read(crate, name, TEXT_LIMIT)), suffix)
        except ConfigError:
            state = "not checked"
        except ValueError:  # reported as damaged
            continue
        counts[state] = counts.get(state, 0) + 1
        found += [changed(name, "its signature does not fit")] if state == "invalid" else []
    return counts, found


def records(crate: Container, known: Mapping[str, Record], ids: list[str], pictures: bool) -> list[Finding]:
    """digests.csv and the files against the manifest, and the manifest against the plan."""
    try:
        rows = list(csv.reader(io.StringIO(archive.read(crate, DIGESTS, TEXT_LIMIT).decode(), newline="")))
    except (KeyError, ValueError, csv.Error) as e:
        return [changed(DIGESTS, f"cannot be read: {e}")]
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        return [changed(DIGESTS, f"its columns are not {', '.join(COLUMNS)}")]
    found = []
    listed = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows[1:]}
    done = {i: record for i, record in known.items() if record.done}
    for i in sorted({*listed, *done}):
        row, record = listed.get(i), done.get(i)
        if row is None or record is None or _facts(record) != (row["path"], row["size"], row["file"], row["pixels"]):
            found.append(changed(DIGESTS, f"does not say of {i} what manifest.jsonl says"))
        elif pictures and record.path not in crate.sizes:
            found.append(Finding(i, record.path, Status.MISSING, record.profile, "the file is missing"))
    unplanned = set(known).difference(ids)
    return found + [changed("manifest.jsonl", f"{i} is not a job of plan.jsonl") for i in sorted(unplanned)]


def _facts(record: Record) -> tuple[str, str, str, str]:
    return record.path, str(record.size), record.file, record.pixels
