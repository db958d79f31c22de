"""All paths in outputs/<name>/, and whether files are complete. Does not read records."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdbatch.spec.file_names import PNG, fan, fans
from sdbatch.spec.sound import Sound
from sdbatch.store.record import Record

SOUNDS = "sounds"
_PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"


@dataclass(frozen=True, slots=True)
class Folder:
    """``root`` is the folder of one experiment."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.jsonl"

    @property
    def worker_folder(self) -> Path:
        return self.root / "manifest"

    @property
    def lock(self) -> Path:
        """Held by the process that replaces the manifest or the plan."""
        return self.worker_folder / ".lock"

    @property
    def plan(self) -> Path:
        return self.root / "plan.jsonl"

    @property
    def summary(self) -> Path:
        return self.root / "summary.json"

    @property
    def sources(self) -> list[Path]:
        """The files that say what is planned and rendered."""
        return [self.manifest, self.plan, *self.worker_files()]

    @property
    def gallery(self) -> Path:
        return self.root / "index.html"

    def kept_plan(self, digest: str) -> Path:
        return self.root / "plans" / f"{digest}.jsonl"

    def profile_path(self, digest: str) -> Path:
        return self.root / "profiles" / f"{digest}.json"

    def file(self, record: Record) -> Path:
        return self.root / record.path

    def sound(self, sound: Sound) -> Path:
        """The copy of a sound file, named by its digest."""
        return self.root / SOUNDS / sound.digest.removeprefix("b2:")

    def shots(self, profile: str) -> Path:
        """The folder of the shots of videos under ``profile``. A chain never mixes two profiles."""
        return self.root / "shots" / profile

    def shot(self, shot_id: str, profile: str) -> Path:
        """The file of a video's shot, in one of 256 folders: a video can have thousands of shots."""
        return self.shots(profile) / fan(shot_id) / f"{shot_id}{PNG}"

    def find_shot(self, shot_id: str, profile: str) -> Path | None:
        """The stored file of a video's shot, also where earlier versions stored it, or None."""
        places = (self.shot(shot_id, profile), self.shots(profile) / f"{shot_id}{PNG}")
        return next((path for path in places if self.has_shot(path)), None)

    def shot_files(self, profile: str) -> list[Path]:
        """All stored files of shots under ``profile``, sorted."""
        return sorted(p for f in self.shot_folders(profile) for p in f.glob(f"[!.]*{PNG}") if p.is_file())

    def shot_folders(self, profile: str) -> list[Path]:
        """The folders that can hold files of shots under ``profile``, those inside of others first."""
        return [*fans(self.shots(profile)), self.shots(profile)]

    def shot_profiles(self) -> list[str]:
        """Digests of the profiles with stored shots."""
        with suppress(OSError):
            return sorted(p.name for p in (self.root / "shots").iterdir() if p.is_dir())
        return []

    def worker_files(self) -> list[Path]:
        """The files of workers, in the order in which the workers started."""
        with suppress(OSError):
            return sorted(p for p in self.worker_folder.iterdir() if p.suffix == ".jsonl")
        return []

    def intact(self, record: Record) -> bool:
        """Whether the file of a done record exists with the recorded size. ``Store.states`` can check digests."""
        try:
            found = self.file(record).stat()
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == record.size

    def has_shot(self, path: Path) -> bool:
        """Whether a shot's file exists and ends correctly. Other damage is detected when the shot is loaded."""
        try:
            with path.open("rb") as f:
                f.seek(-len(_PNG_END), os.SEEK_END)
                return f.read() == _PNG_END
        except OSError:
            return False
