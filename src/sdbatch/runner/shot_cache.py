"""Pictures of earlier shots under one profile: in memory, stored as shots, or finished as picture jobs."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from sdbatch.errors import RenderError
from sdbatch.files import remove
from sdbatch.media import png
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Ledger, Record, Store
from sdbatch.store.listing import shots_in

WARNINGS, PIXELS = "warnings", "pixels"  # keys of the texts inside a shot's PNG
MAX_DECODED = 4  # decoded pictures in memory: a chain loads its parent and its colour reference repeatedly


class ShotCache:
    """Returns pixels equal to the stored ones: PNG is lossless, so a picture may be used before it is stored."""

    def __init__(self, store: Store, profile: str, ledger: Ledger) -> None:
        self.profile = profile
        self._store = store
        self._ledger = ledger
        self._unsaved: dict[str, Pixels] = {}
        self._finished: dict[str, Record] = {}
        self._listed = shots_in(store.shot_folders(profile))
        self._decode = lru_cache(maxsize=MAX_DECODED)(self._read)

    def hold(self, shot_id: str, pixels: Pixels) -> None:
        """Keep a picture until it is stored."""
        self._unsaved[shot_id] = pixels

    def stored(self, shot_id: str, finished: Record | None = None) -> None:
        """The picture is on disk; ``finished`` is its record if it is a picture job instead of a stored shot."""
        if finished is not None:
            self._finished[shot_id] = finished
        self.drop(shot_id)

    def drop(self, shot_id: str) -> None:
        """Release the picture held in memory."""
        self._unsaved.pop(shot_id, None)

    def has(self, shot_id: str) -> bool:
        """Whether ``load`` would find the picture."""
        return shot_id in self._unsaved or self.path(shot_id) is not None

    def had(self, shot_id: str) -> bool:
        """The same, but asks only for files that existed when this cache was made, or that have a record."""
        return (shot_id in self._listed or shot_id in self._ledger) and self.has(shot_id)

    def path(self, shot_id: str) -> Path | None:
        """The file of the picture, or None."""
        if (path := self._store.find_shot(shot_id, self.profile)) is not None:
            return path
        record = self._record(shot_id)
        return None if record is None else self._store.file(record)

    def warnings(self, shot_id: str) -> tuple[str, ...]:
        """The warnings recorded when the shot was rendered."""
        if (path := self._store.find_shot(shot_id, self.profile)) is None:
            record = self._record(shot_id)
            return () if record is None else record.warnings
        try:
            found = json.loads(png.read_text(path).get(WARNINGS, "[]"))
        except (ValueError, RecursionError):
            return ()
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def _record(self, shot_id: str) -> Record | None:
        """The record of a finished picture job with this id and profile, or None."""
        record = self._finished.get(shot_id) or self._ledger.get(shot_id)
        if record is None or not record.done or record.profile != self.profile or not self._store.intact(record):
            return None
        return record

    def load(self, shot_id: str) -> Pixels:
        """The picture (height, width, 3), read-only.

        Raises RenderError if it is missing or damaged. A damaged file is removed, so that the next run renders it.
        """
        if (pixels := self._unsaved.get(shot_id)) is not None:
            return pixels
        path = self.path(shot_id)
        if path is None:
            raise RenderError(f"the picture of shot {shot_id} is missing; run again to render it")
        try:
            return self._decode(shot_id, path)
        except ValueError as e:
            remove(path)
            raise RenderError(f"{path.name}: {e}; run again to render it") from e

    def _read(self, shot_id: str, path: Path) -> Pixels:
        """Decode a file and check its digest. Raises ValueError if it differs from the stored one."""
        pixels = png.decode(path)
        if png.pixel_digest(pixels) != self._digest(shot_id, path):
            raise ValueError("its pixels differ from the stored digest")
        pixels.setflags(write=False)  # the array is shared
        return pixels

    def _digest(self, shot_id: str, path: Path) -> str:
        """The expected digest: from the record of a picture job, or from the shot's own file."""
        record = self._record(shot_id)
        if record is not None and path == self._store.file(record):
            return record.pixels
        name, _, digest = png.read_text(path).get(PIXELS, "").partition(" ")
        return digest if name == shot_id else ""


def label(shot_id: str, pixels: Pixels, warnings: tuple[str, ...]) -> dict[str, str]:
    """The metadata of a stored shot's PNG: its id, digest and warnings.

    No manifest lists shots. Without the digest, any valid picture in its place would be accepted.
    """
    text = {PIXELS: f"{shot_id} {png.pixel_digest(pixels)}"}
    return text | ({WARNINGS: json.dumps(warnings)} if warnings else {})
