"""One manifest line: the result of a job. Input is untrusted: anything that is not a valid record is None."""

from __future__ import annotations

import json
import mmap
import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sdbatch.spec.file_names import is_inside
from sdbatch.spec.renderer import UNVERIFIED

MAX_LINE = 1 << 20  # bytes
Bytes = bytes | mmap.mmap
_ID = re.compile(r"[A-Za-z][0-9A-Za-z_-]{0,63}")
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_TEXTS = ("path", "pixels", "file", "profile", "error", "origin")


@dataclass(frozen=True, slots=True)
class Record:
    """The result of a job.

    ``path`` is relative to the experiment's folder, ``size`` is in bytes. ``pixels`` and ``file`` are digests of the
    pixels and of the file. ``origin`` is the id of the draft's job, for a final.
    """

    id: str
    status: Literal["done", "failed"]
    path: str = ""
    pixels: str = ""
    file: str = ""
    size: int = 0
    profile: str = ""
    warnings: tuple[str, ...] = ()
    error: str = ""
    origin: str = ""

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def alerts(self) -> tuple[str, ...]:
        """The warnings that users should look at: not that a size is unverified, which is usual on a CPU."""
        return tuple(w for w in self.warnings if not w.startswith(UNVERIFIED))

    def line(self) -> bytes:
        """The record as one line of ASCII JSON, without empty fields."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return _encode({k: v for k, v in values.items() if v}).encode() + b"\n"


_TEXT = r'"([ !#-\[\]-~]*)"'  # ASCII without quotes and backslashes
_USUAL = re.compile(
    rf'{{"id":"({_ID.pattern})","status":"done","path":{_TEXT},"pixels":{_TEXT},"file":{_TEXT},'
    rf'"size":([1-9][0-9]{{0,15}}),"profile":{_TEXT}}}(?:\n|\Z)'.encode()
)


class Outline(NamedTuple):
    """What most readers need of a record of a done job."""

    id: str
    path: str
    profile: str
    end: int  # where the next line begins


def outline(data: Bytes, start: int = 0, checked: bool = False) -> Outline | None:
    """The outline of the line at ``start``; None unless it is a valid record of a done job in its usual form.

    There can be a million of them, and they need no JSON parser. ``checked``: the path is known to be inside.
    """
    if (found := _USUAL.match(data, start)) is None:
        return None
    path = found[2].decode()
    return Outline(found[1].decode(), path, found[6].decode(), found.end()) if checked or is_inside(path) else None


def parse(line: bytes) -> Record | None:
    """The record in ``line``, or None if it is not valid. Never raises."""
    if len(line) > MAX_LINE:
        return None
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return _record(data) if isinstance(data, dict) else None


def _record(data: dict[str, Any]) -> Record | None:
    job_id, status, size = data.get("id"), data.get("status"), data.get("size", 0)
    warnings = data.get("warnings", [])
    texts = {k: data.get(k, "") for k in _TEXTS}
    if not isinstance(job_id, str) or not _ID.fullmatch(job_id) or type(size) is not int or size < 0:
        return None
    if not all(isinstance(v, str) for v in texts.values()) or not isinstance(warnings, list):
        return None
    if not all(isinstance(w, str) for w in warnings):
        return None
    if status == "done" and not is_inside(texts["path"]):
        return None  # paths outside of the folder are rejected
    if status == "failed":
        texts["path"] = ""
    if status not in ("done", "failed"):
        return None
    return Record(job_id, status, size=size, warnings=tuple(warnings), **texts)
