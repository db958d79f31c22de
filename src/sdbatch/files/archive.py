"""Folders and ZIP files as containers of named files: read without trust, written as equal bytes for equal contents.

A ZIP is written without compression, with one time and in the order given: pictures and videos hardly get smaller, and
the bytes of deflate depend on the version of zlib.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO, Protocol

MAX_FILES = 1_000_000
MAX_NAME = 1024
_BLOCK = 1 << 20
_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP can hold
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_ENCRYPTED = 0x1
_GROWTH, _ALWAYS = 200, 1 << 30  # a ZIP may unpack to so many times its size, and to so many bytes in any case
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


class Container(Protocol):
    """Named files. ``sizes``: bytes by name, names sorted. ``odd``: (name, why) of entries that cannot be files."""

    @property
    def sizes(self) -> dict[str, int]: ...

    @property
    def odd(self) -> list[tuple[str, str]]: ...

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises ValueError if it cannot be read or is damaged."""


def is_safe(name: str) -> bool:
    """Whether ``name`` stays inside of the folder into which it is unpacked, on every system."""
    parts = name.split("/")
    return len(name) <= MAX_NAME and not _UNSAFE.search(name) and not {"", ".", ".."} & set(parts)


def safe(name: str) -> str:
    """The name of a file with ``_`` for every character that cannot be in it on every system."""
    return _UNSAFE.sub("_", name.encode("utf-8", "replace").decode())


def read(container: Container, name: str, limit: int) -> bytes:
    """A whole file of at most ``limit`` bytes. Raises ValueError."""
    if container.sizes[name] > limit:
        raise ValueError(f"more than {limit:,} bytes")
    return b"".join(container.blocks(name))


def digest(container: Container, name: str) -> str:
    """SHA-256 of a file, in hex. Raises ValueError."""
    found = sha256()
    for block in container.blocks(name):
        found.update(block)
    return found.hexdigest()


def extract(container: Container, name: str, folder: Path) -> None:
    """Write a file below ``folder``. Raises ValueError, OSError."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as f:
        for block in container.blocks(name):
            f.write(block)


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """The folder or ZIP at ``path``. Raises ValueError if it is neither, or a ZIP that must not be unpacked."""
    if path.is_dir():
        yield Tree(path)
        return
    try:
        file = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeError, EOFError) as e:
        raise ValueError(f"cannot be read as a ZIP: {e}") from e
    with file:
        yield Zip(file, path.stat().st_size)


class Tree:
    """The files of a folder. Links are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.odd: list[tuple[str, str]] = []
        found = {}
        for folder, folders, names in os.walk(root):
            for name in (*folders, *names):
                path = Path(folder, name)
                mode, relative = path.lstat().st_mode, path.relative_to(root).as_posix()
                if stat.S_ISREG(mode) and is_safe(relative):
                    found[relative] = path.lstat().st_size
                elif not stat.S_ISDIR(mode):
                    self.odd.append((relative, "is a link" if stat.S_ISLNK(mode) else "is not a file of a crate"))
        self.sizes = dict(sorted(found.items()))

    def blocks(self, name: str) -> Iterator[bytes]:
        try:
            with (self.root / name).open("rb") as f:
                yield from _blocks(f)
        except OSError as e:
            raise ValueError(e.strerror or str(e)) from e


class Zip:
    """The files of a ZIP. Raises ValueError for one with too many files, or that unpacks to many times its size."""

    def __init__(self, file: zipfile.ZipFile, size: int) -> None:
        self._file = file
        self.odd: list[tuple[str, str]] = []
        self._members: dict[str, zipfile.ZipInfo] = {}
        entries = file.infolist()
        if len(entries) > MAX_FILES:
            raise ValueError(f"contains more than {MAX_FILES:,} files")
        if sum(e.file_size for e in entries) > max(_ALWAYS, _GROWTH * size):
            raise ValueError(f"unpacks to more than {_GROWTH} times its size")
        for entry in entries:
            name = entry.orig_filename
            if why := _odd(entry) or ("is there twice" if name in self._members else ""):
                self.odd.append((name, why))
            elif not entry.is_dir():
                self._members[name] = entry
        self.sizes = {name: e.file_size for name, e in sorted(self._members.items())}

    def blocks(self, name: str) -> Iterator[bytes]:
        entry, left = self._members[name], self._members[name].file_size
        try:
            with self._file.open(entry) as f:
                for block in _blocks(f):
                    left -= len(block)
                    if left < 0:
                        break
                    yield block
        except Exception as e:  # damaged entries raise zlib.error, BadZipFile, EOFError, RuntimeError and more
            raise ValueError(f"damaged in the ZIP: {e}") from e
        if left:
            raise ValueError("damaged in the ZIP: another size than it says")


def _odd(entry: zipfile.ZipInfo) -> str:
    """Why an entry is not an ordinary file or folder; empty if it is one."""
    kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == _UNIX else 0
    if not is_safe(entry.orig_filename.removesuffix("/")):
        return "has a name that leads elsewhere"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        return "is encrypted, or compressed in another way than deflate"
    return ""


def _blocks(f: IO[bytes]) -> Iterator[bytes]:
    while block := f.read(_BLOCK):
        yield block


def listed(path: Path) -> tuple[int, str]:
    """The size and the SHA-256 of a file. Raises OSError."""
    with path.open("rb") as f:
        return os.fstat(f.fileno()).st_size, file_digest(f, "sha256").hexdigest()


def write_zip(path: Path, members: Iterable[tuple[str, Path]]) -> str:
    """Write ``members`` as a ZIP; its SHA-256. Equal members are equal bytes. Raises OSError."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        for name, source in members:
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system, info.external_attr, info.file_size = _UNIX, _MODE, source.stat().st_size
            with source.open("rb") as f, out.open(info, "w") as to:
                for block in _blocks(f):
                    to.write(block)
    return listed(path)[1]
