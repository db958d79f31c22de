"""Folders of LoRAs and textual inversions: files by the names that prompts use, by digest, and by A1111's hash."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from sdbatch.errors import ConfigError, nearest, shown
from sdbatch.models.digests import digest_files
from sdbatch.models.source import PICKLES

MAX_FILES = 100_000
# Names that peft and diffusers give every file: the folder has the name.
_UNNAMED = ("adapter_model", "diffusion_pytorch_model", "diffusion_pytorch_model.fp16")


class Folders:
    """The files in ``folders`` (relative to the working folder) and below them; a folder need not exist.

    ``key`` is the configuration's key of the folders, for messages. Names in ``shipped`` give way to theirs.
    """

    def __init__(self, folders: Sequence[Path], key: str, shipped: Path) -> None:
        self._folders = folders
        self._shipped = shipped
        self.key = key

    @cached_property
    def by_name(self) -> dict[str, list[Path]]:
        """Files by name: the file's, and with its folders below the one that was given (``styles/ink``)."""
        return self._included | self._own

    @cached_property
    def _own(self) -> dict[str, list[Path]]:
        return self._named(self._folders)

    @cached_property
    def _included(self) -> dict[str, list[Path]]:
        return self._named([self._shipped])

    def _named(self, roots: Sequence[Path]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for root in roots:
            for path in self._files(root):
                own = path.parent if path.stem in _UNNAMED else path.with_suffix("")
                for name in dict.fromkeys((own.name, own.relative_to(root).as_posix())):
                    found.setdefault(name, []).append(path)
        return found

    def find(self, name: str, at: str) -> Path:
        """The file of ``name``. Raises ConfigError, with the key ``at``, for no file and for several."""
        paths = self.by_name.get(name, [])
        safe = [p for p in paths if p.suffix.lower() not in PICKLES]
        if len(safe) > 1 and len({digest_files({"": p}) for p in safe}) > 1:
            names = ", ".join(str(p) for p in safe[:4])
            raise ConfigError.one(at, f"{shown(name)} names {len(safe)} files: {names}", "write the folder, or a path")
        if not paths:
            raise ConfigError.one(at, f"there is no {shown(name)} in {self.said}", nearest(name, self.by_name))
        return (safe or paths)[0]

    @property
    def said(self) -> str:
        """The folders, for messages."""
        return f"{self.key} ({', '.join(map(str, self._folders)) or 'no folder'})"

    def where(self, wanted: Callable[[Path], bool], name: str = "") -> Path | None:
        """The first file that is ``wanted``; those called ``name`` are asked first."""
        named = (*self._own.values(), *self._included.values())
        files = list(dict.fromkeys(path for paths in named for path in paths))
        first = self.by_name.get(name, [])
        ordered = [*first, *(p for p in files if p not in first)]
        return next((p for p in ordered if p.suffix.lower() not in PICKLES and wanted(p)), None)

    def with_digest(self, digest: str, name: str = "") -> Path | None:
        """The file with a digest."""
        return self.where(lambda path: digest_of(path) == digest, name)

    def _files(self, root: Path) -> Iterator[Path]:
        found: list[Path] = []
        for folder, _, names in os.walk(root, followlinks=True):
            found += [Path(folder, n) for n in names if Path(n).suffix.lower() in (".safetensors", *PICKLES)]
            if len(found) > MAX_FILES:
                raise ConfigError.one(self.key, f"{shown(str(root))} has more than {MAX_FILES:,} files")
        return iter(sorted(found))


def digest_of(path: Path) -> str:
    """The digest of a file's content."""
    return digest_files({"": path}, by_name=False)
