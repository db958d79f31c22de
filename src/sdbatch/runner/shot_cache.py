"""Pictures of earlier shots under one profile: just rendered, stored as shots, or finished as pictures."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from sdbatch.errors import RenderError
from sdbatch.files import remove
from sdbatch.media import png
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Ledger, Record, Store

WARNINGS, PIXELS = "warnings", "pixels"  # keys of the texts inside a shot's PNG
KEPT = 4  # decoded pictures in memory: a chain asks again for its parent and for its colours


class ShotCache:
    """What a chain consumes is what is stored: PNG is lossless, so a picture still on its way to the disk will do."""

    def __init__(self, store: Store, profile: str, ledger: Ledger) -> None:
        self.profile = profile
        self._store = store
        self._ledger = ledger
        self._fresh: dict[str, Pixels] = {}
        self._finished: dict[str, Record] = {}
        self._decode = lru_cache(maxsize=KEPT)(self._stored)

    def hold(self, shot_id: str, pixels: Pixels) -> None:
        """Keep a picture until it is stored."""
        self._fresh[shot_id] = pixels

    def stored(self, shot_id: str, finished: Record | None = None) -> None:
        """It is on disk; ``finished`` says where if not as a shot."""
        if finished is not None:
            self._finished[shot_id] = finished
        self.drop(shot_id)

    def drop(self, shot_id: str) -> None:
        """It is not needed in memory any more."""
        self._fresh.pop(shot_id, None)

    def has(self, shot_id: str) -> bool:
        return shot_id in self._fresh or self.path(shot_id) is not None

    def path(self, shot_id: str) -> Path | None:
        """Where the picture is stored, or None."""
        path = self._store.shot(shot_id, self.profile)
        if self._store.has_shot(path):
            return path
        record = self._record(shot_id)
        return None if record is None else self._store.file(record)

    def warnings(self, shot_id: str) -> tuple[str, ...]:
        """What was said when the stored shot was rendered."""
        path = self._store.shot(shot_id, self.profile)
        if not self._store.has_shot(path):
            record = self._record(shot_id)
            return () if record is None else record.warnings
        try:
            found = json.loads(png.read_text(path).get(WARNINGS, "[]"))
        except (ValueError, RecursionError):
            return ()
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def _record(self, shot_id: str) -> Record | None:
        """The record of a finished picture that is this shot, under this profile."""
        record = self._finished.get(shot_id) or self._ledger.get(shot_id)
        if record is None or not record.done or record.profile != self.profile or not self._store.intact(record):
            return None
        return record

    def load(self, shot_id: str) -> Pixels:
        """The picture. Raises RenderError; a damaged shot is removed, so that the next run renders it again."""
        if (pixels := self._fresh.get(shot_id)) is not None:
            return pixels
        path = self.path(shot_id)
        if path is None:
            raise RenderError(f"the picture of shot {shot_id} is missing; run again to render it")
        try:
            return self._decode(shot_id, path)
        except ValueError as e:
            remove(path)
            raise RenderError(f"{path.name}: {e}; run again to render it") from e

    def _stored(self, shot_id: str, path: Path) -> Pixels:
        """The picture in a file, if it is the one that was stored there. Raises ValueError."""
        pixels = png.decode(path)
        if png.pixel_digest(pixels) != self._digest(shot_id, path):
            raise ValueError("is not the picture that was stored there")
        pixels.setflags(write=False)  # it is shared
        return pixels

    def _digest(self, shot_id: str, path: Path) -> str:
        """The stored picture's digest: a finished picture's is in its record, a shot's in its own file."""
        if path != self._store.shot(shot_id, self.profile) and (record := self._record(shot_id)) is not None:
            return record.pixels
        name, _, digest = png.read_text(path).get(PIXELS, "").partition(" ")
        return digest if name == shot_id else ""


def label(shot_id: str, pixels: Pixels, warnings: tuple[str, ...]) -> dict[str, str]:
    """What a stored shot says of itself: no manifest does, and a valid picture in its place would pass for it."""
    said = {PIXELS: f"{shot_id} {png.pixel_digest(pixels)}"}
    return said | ({WARNINGS: json.dumps(warnings)} if warnings else {})
