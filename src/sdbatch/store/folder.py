"""Every path in outputs/<name>/, and whether the files there are whole. Reads no records."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdbatch.store.record import Record

_PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"


@dataclass(frozen=True, slots=True)
class Folder:
    """``root`` is the folder of one experiment."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.jsonl"

    @property
    def workers(self) -> Path:
        return self.root / "manifest"

    @property
    def plan(self) -> Path:
        return self.root / "plan.jsonl"

    @property
    def summary(self) -> Path:
        return self.root / "summary.json"

    @property
    def gallery(self) -> Path:
        return self.root / "index.html"

    def kept_plan(self, digest: str) -> Path:
        return self.root / "plans" / f"{digest}.jsonl"

    def profile_path(self, digest: str) -> Path:
        return self.root / "profiles" / f"{digest}.json"

    def file(self, record: Record) -> Path:
        return self.root / record.path

    def shot(self, shot_id: str, profile: str) -> Path:
        """A video's shot. Profiles have folders of their own, so a chain cannot cross from one to another."""
        return self.root / "shots" / profile / f"{shot_id}.png"

    def shot_profiles(self) -> list[str]:
        """Profiles under which there are shots."""
        with suppress(OSError):
            return sorted(p.name for p in (self.root / "shots").iterdir() if p.is_dir())
        return []

    def worker_files(self) -> list[Path]:
        """In the order in which their workers began."""
        with suppress(OSError):
            return sorted(p for p in self.workers.iterdir() if p.suffix == ".jsonl")
        return []

    def intact(self, record: Record) -> bool:
        """Whether the file of a done record is there with the recorded size (cheap; ``states`` can check digests)."""
        try:
            found = self.file(record).stat()
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == record.size

    def has_shot(self, path: Path) -> bool:
        """Whether a shot's file is there and has its end (what is damaged inside is found when it is used)."""
        try:
            with path.open("rb") as f:
                f.seek(-len(_PNG_END), os.SEEK_END)
                return f.read() == _PNG_END
        except OSError:
            return False
