"""The pictures that an experiment names: files, folders, patterns and lists of them, each read and digested once."""

from __future__ import annotations

import glob
import mimetypes
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path

from sdbatch.errors import ConfigError, Problem, Problems, closest, shown
from sdbatch.files import file_digest
from sdbatch.pictures import clips
from sdbatch.pictures.decode import KINDS
from sdbatch.pictures.read import SUFFIXES, read
from sdbatch.spec.pictures import InputPicture

FOLDERS = "input_folders"
MOST = 100_000  # pictures of a folder or a pattern


class Pictures:
    """``folders``: where names are looked for that lead nowhere from the working folder. ``rate``: the frames per
    second of folders of pictures."""

    def __init__(self, folders: Sequence[str] = (), rate: Fraction = Fraction(24)) -> None:
        self._folders = [Path(folder).expanduser() for folder in folders]
        self._rate = rate
        self.notes: dict[tuple[str, str], None] = {}  # (key, what was left out of a folder that it names)

    def named(self, value: str | Sequence[str], at: str) -> tuple[InputPicture, ...]:
        """The pictures of a file, a folder (sorted by name, numbers by size), a pattern, or of a list of these.

        Raises ConfigError with the key ``at``.
        """
        problems = Problems()
        out: list[InputPicture] = []
        names = [value] if isinstance(value, str) else value
        for i, name in enumerate(names):
            key = at if isinstance(value, str) else f"{at}[{i}]"
            paths: Sequence[Path] = ()
            with problems:
                paths = self._paths(name, key)
            for path in paths:
                try:
                    out.append(read(path))
                except ValueError as e:
                    problems.append(Problem(key, f"{shown(str(path))} {e}"))
        if not out and not problems:
            problems.append(Problem(at, "names no picture"))
        problems.report()
        return tuple(out)

    def one(self, name: str, at: str) -> InputPicture:
        """The picture of a file. Raises ConfigError with the key ``at``."""
        found = self.named(name, at)
        if len(found) > 1:
            raise ConfigError.one(at, f"{shown(name)} names {len(found)} pictures, and one is needed")
        return found[0]

    def clip(self, name: str, at: str) -> InputPicture:
        """The video of a file, or of a folder of pictures or a pattern. Raises ConfigError with the key ``at``."""
        for root in (Path(), *self._folders):
            path = root / Path(name).expanduser()
            try:
                if path.is_file():
                    return clips.read(path)
                if path.is_dir() or (any(c in name for c in "*?[") and _matching(path)):
                    return clips.of_pictures(self.named(str(path), at), _folder(path), self._rate)
            except ValueError as e:
                raise ConfigError.one(at, f"{shown(str(path))} {e}") from e
        raise ConfigError.one(at, f"there is no video {shown(name)}{self._where(name)}", _hint(name, clips.SUFFIXES))

    def bound(self, pictures: Iterable[InputPicture]) -> Mapping[str, Path]:
        """The files of ``pictures`` by digest: where they were, else in the folders.

        Raises ConfigError for those that are not here.
        """
        found: dict[str, Path] = {}
        problems = Problems()
        digest = cache(_digest)  # files are read once
        for picture in dict.fromkeys(pictures):
            path = next((p for p in self._candidates(picture) if digest(p) == picture.digest), None)
            if path is None:
                name = Path(picture.path).name or "a picture"
                said = f"{name} ({picture.digest}), which was used, is not in {self._said}"
                problems.append(Problem(FOLDERS, said, "name the folder that it is in"))
            else:
                found[picture.digest] = path.absolute()
        problems.report()
        return found

    @property
    def _said(self) -> str:
        return ", ".join(map(str, self._folders)) or "a folder (none is named)"

    def _candidates(self, picture: InputPicture) -> Iterator[Path]:
        """Files that may be ``picture``, those of its name first."""
        own = Path(picture.path)
        if picture.path:
            yield own
        yield from self._by_name.get(own.name, ())
        yield from (path for path in self._files if path.name != own.name)

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self._files:
            found.setdefault(path.name, []).append(path)
        return found

    @cached_property
    def _files(self) -> list[Path]:
        kinds = (*SUFFIXES, *clips.SUFFIXES)
        return [path for folder in self._folders for path in _within(folder, FOLDERS, kinds, below=True)]

    def _paths(self, name: str, at: str) -> list[Path]:
        try:
            return self._matches(name, at)
        except OSError as e:
            raise ConfigError.one(at, f"{shown(name)} cannot be read: {e.strerror or e}") from e

    def _matches(self, name: str, at: str) -> list[Path]:
        for root in (Path(), *self._folders):
            path = root / Path(name).expanduser()
            if path.is_dir():
                if not (inside := _within(path, at)):
                    raise ConfigError.one(at, f"the folder {shown(str(path))} has no picture", f"read are {KINDS}")
                if others := _others(path):
                    names = f"{', '.join(others[:3])}{', …' * (len(others) > 3)}"
                    self.notes[at, f"{names} in {path} {'are' if others[1:] else 'is'} left out: read are {KINDS}"] = (
                        None
                    )
                return inside
            if path.is_file():
                return [path]
            if any(c in name for c in "*?[") and (found := _matching(path)):
                return found if len(found) <= MOST else _too_many(at, name)
        raise ConfigError.one(at, f"there is no picture {shown(name)}{self._where(name)}", _hint(name, SUFFIXES))

    def _where(self, name: str) -> str:
        """Where ``name`` was looked for."""
        if _absolute(name):
            return ""
        return f" in the working folder or in {FOLDERS} ({', '.join(map(str, self._folders)) or 'no folder'})"


def _folder(path: Path) -> str:
    """The folder of the pictures that ``path`` names."""
    return str(path if path.is_dir() else path.parent)


def _absolute(name: str) -> bool:
    return "://" in name or Path(name).expanduser().is_absolute()


def _hint(name: str, suffixes: Collection[str]) -> str:
    """What may help with the ``name`` of no picture: one of nearly that name, or what is read."""
    if "://" in name:
        return "pictures are not fetched: download it, and name the file"
    if any(c in name for c in "*?["):
        return f"read are {KINDS}"
    path = Path(name).expanduser()
    beside = path.parent.glob("*") if path.parent.is_dir() else ()
    usable = {p.name: str(p) for p in beside if p.suffix.lower() in suffixes or p.is_dir()}
    meant = closest(path.name, usable, 0.75)
    return f"did you mean {usable[meant]!r}?" if meant else ""


def _within(folder: Path, at: str, suffixes: Collection[str] = SUFFIXES, below: bool = False) -> list[Path]:
    """The pictures in a folder, or other files with ``suffixes``."""
    found = [p for p in (folder.rglob("*") if below else folder.glob("*")) if p.suffix.lower() in suffixes]
    return _too_many(at, str(folder)) if len(found) > MOST else sorted(filter(Path.is_file, found), key=_order)


def _others(folder: Path) -> list[str]:
    """The names of pictures and videos in a folder that are not read because of their format."""
    media = (
        p.name for p in folder.iterdir() if (mimetypes.guess_type(p.name)[0] or "").startswith(("image/", "video/"))
    )
    return sorted(name for name in media if Path(name).suffix.lower() not in SUFFIXES and not name.startswith("."))


def _matching(pattern: Path) -> list[Path]:
    found = (Path(p) for p in glob.glob(str(pattern), recursive=True))  # noqa: PTH207  (Path.glob rejects patterns)
    return sorted((p for p in found if p.suffix.lower() in SUFFIXES and p.is_file()), key=_order)


def _too_many(at: str, name: str) -> list[Path]:
    raise ConfigError.one(at, f"{shown(name)} names more than {MOST:,} pictures")


def _order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """By name, numbers in it by size: 2.png before 10.png."""
    parts = re.findall(r"\d+|\D+", str(path))
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts], str(path)


def _digest(path: Path) -> str:
    """The digest of a file; empty if it cannot be read."""
    try:
        return file_digest(path)
    except (OSError, ValueError):
        return ""
