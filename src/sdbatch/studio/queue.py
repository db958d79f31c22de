"""The queue: experiments that wait, the one that is rendered, and those that have ended. Kept in a file.

Every change makes a new ``version`` and is told to the watchers, so all pages show the same. Thread-safe.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from sdbatch.config.fields import SLUG
from sdbatch.files import atomic

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
MAX_ENDED = 200  # that are kept in the list
MAX_FAILURES = 20  # that an entry shows
LIMIT = 16 * 2**20  # bytes of the file


@dataclass(slots=True)
class Entry:
    """One experiment in the queue. ``jobs``, ``done`` and ``failed`` count jobs; ``error``: why it ended."""

    id: str
    name: Annotated[str, Field(pattern=SLUG)]
    file: str
    kind: Literal["picture", "film", "final"] = "picture"
    title: str = ""
    model: str = ""
    command: str = ""
    state: State = "waiting"
    error: str = ""
    jobs: int = 0
    done: int = 0
    failed: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    latest: str = ""  # the id of the latest finished job

    @property
    def ended(self) -> bool:
        return self.state in ENDED


_ENTRIES = TypeAdapter(list[Entry])


class Conflict(Exception):  # noqa: N818  (a state, not a mistake)
    """The entry is in a state in which this cannot be done: another page was faster."""


class Queue:
    """``path`` is the file that keeps it. ``changed`` is called after every change, with the lock held: it must return
    at once."""

    def __init__(self, path: Path, changed: Callable[[], None] = lambda: None) -> None:
        self.version = 1
        self.lock = threading.RLock()
        self._path = path
        self._changed = changed
        self.paused, self._entries = _read(path)
        for entry in self._entries:
            if entry.state == "running":  # the studio ended meanwhile; what is rendered is kept
                entry.state = "waiting"

    def entries(self) -> list[Entry]:
        """The running one, those that wait, and the ended ones, the latest first."""
        with self.lock:
            order = {"running": 0, "waiting": 1}
            ended = [e for e in self._entries if e.ended]
            return sorted((e for e in self._entries if not e.ended), key=lambda e: order[e.state]) + ended[::-1]

    def snapshot(self, shown: Callable[[Entry], dict[str, Any]] = asdict) -> dict[str, Any]:
        """The queue as data; ``shown`` makes an entry's."""
        with self.lock:
            return {
                "version": self.version,
                "paused": self.paused,
                "entries": [shown(e) for e in self.entries()],
            }

    def next(self) -> Entry | None:
        """The entry to render now, if any."""
        with self.lock:
            if self.paused or self.running is not None:
                return None
            return next((e for e in self._entries if e.state == "waiting"), None)

    @property
    def running(self) -> Entry | None:
        return next((e for e in self._entries if e.state == "running"), None)

    def get(self, entry_id: str) -> Entry:
        """The entry; raises KeyError."""
        found = next((e for e in self._entries if e.id == entry_id), None)
        if found is None:
            raise KeyError(entry_id)
        return found

    def add(self, entry: Entry) -> Entry:
        """Put ``entry`` at the end. An experiment that waits or is rendered already stays where it is; one that has
        ended is rendered again."""
        with self.lock:
            same = next((e for e in self._entries if e.file == entry.file), None)
            if same is not None and not same.ended:
                return same
            if same is not None:
                self._entries.remove(same)
            self._entries.append(entry)
            self.update()
            return entry

    def set(self, entry: Entry, state: State, error: str = "") -> None:
        """Change the state of ``entry``; an ended one moves to the end of the list."""
        with self.lock:
            entry.state, entry.error = state, error
            if entry.ended:
                self._entries.remove(entry)
                self._entries.append(entry)
                self._forget()
            self.update()

    def again(self, entry_id: str) -> Entry:
        """Let an ended entry wait once more."""
        with self.lock:
            entry = self.in_state(entry_id, *ENDED)
            self._entries.remove(entry)
            self._entries.append(entry)
            entry.state, entry.error, entry.failures, entry.failed = "waiting", "", [], 0
            self.update()
            return entry

    def move(self, entry_id: str, how: Literal["up", "down", "first"]) -> None:
        """Change the place of a waiting entry."""
        with self.lock:
            entry = self.in_state(entry_id, "waiting")
            waiting = [e for e in self._entries if e.state == "waiting"]
            at = waiting.index(entry)
            to = {"up": max(0, at - 1), "down": min(len(waiting) - 1, at + 1), "first": 0}[how]
            waiting.insert(to, waiting.pop(at))
            self._entries = [e for e in self._entries if e.state != "waiting"] + waiting
            self.update()

    def remove(self, entry_id: str) -> None:
        """Remove an ended entry from the list; its files stay."""
        with self.lock:
            self._entries.remove(self.in_state(entry_id, *ENDED))
            self.update()

    def clear(self) -> None:
        """Remove all ended entries."""
        with self.lock:
            self._entries = [e for e in self._entries if not e.ended]
            self.update()

    def pause(self, paused: bool) -> None:
        """Start nothing new, or go on."""
        with self.lock:
            self.paused = paused
            self.update()

    def update(self) -> None:
        """Something has changed: count it, keep it, and tell it."""
        with self.lock:
            self.version += 1
            self.save()
            self._changed()

    def save(self) -> None:
        """Write the file. Errors are ignored: the queue goes on without it."""
        data = {"paused": self.paused, "entries": [asdict(e) for e in self._entries]}
        with suppress(OSError):
            atomic.write(self._path, [f"{json.dumps(data, indent=1)}\n".encode()])

    def in_state(self, entry_id: str, *states: str) -> Entry:
        """The entry, if it is in one of ``states``. Raises KeyError and Conflict."""
        entry = self.get(entry_id)
        if entry.state not in states:
            raise Conflict(f"{entry.name} is {entry.state} now")
        return entry

    def _forget(self) -> None:
        ended = [e for e in self._entries if e.ended]
        for entry in ended[: max(0, len(ended) - MAX_ENDED)]:
            self._entries.remove(entry)


def new_id() -> str:
    return f"e{secrets.token_hex(6)}"


def _read(path: Path) -> tuple[bool, list[Entry]]:
    """Whether the queue in ``path`` is paused, and its entries; those that are damaged are left out."""
    try:
        with path.open("rb") as f:
            data = json.loads(f.read(LIMIT))
    except (OSError, ValueError, RecursionError):
        return False, []
    if not isinstance(data, dict):
        return False, []
    found = data.get("entries")
    return data.get("paused") is True, list(_valid(found if isinstance(found, list) else []))


def _valid(found: list[Any]) -> Iterator[Entry]:
    for each in found:
        with suppress(ValidationError):
            yield from _ENTRIES.validate_python([each])
