"""Digests of files, cached by path, size and modification time, because weights have gigabytes."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path

from platformdirs import user_cache_path

from sdbatch.files import atomic


def digest_folder(folder: Path) -> str:
    """The digest of all files of a diffusers folder that determine pictures. Raises OSError."""
    return digest_files(model_files(folder))


def model_files(folder: Path) -> dict[str, Path]:
    """The files of a diffusers folder that determine pictures, by name. Raises OSError."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix in (".safetensors", ".json", ".txt")]
    full = {p.parent for p in files if p.suffix == ".safetensors" and not _variant(p)}
    keep = {p.relative_to(folder).as_posix(): p for p in files if not (_variant(p) and p.parent in full)}
    return {k: p for k, p in keep.items() if "/" in k or k == "config.json" or p.suffix == ".safetensors"}


def _variant(file: Path) -> bool:
    """Whether ``file`` is a variant of weights, which is ignored if the full-precision file exists."""
    return ".fp16" in file.name or ".non_ema" in file.name


def digest_files(files: dict[str, Path], by_name: bool = True) -> str:
    """``b2:`` + 32 hex digits over (name, content) of ``files``."""
    cache = Cache.load()
    h = blake2b(digest_size=16)
    for name, path in sorted(files.items()):
        h.update((name if by_name else "").encode() + b"\0" + cache.digest(path).encode())
    cache.save()
    return "b2:" + h.hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex. Raises OSError."""
    cache = Cache.load()
    found = cache.digest(path, "sha256")
    cache.save()
    return found


class Cache:
    """File digests by (path, size, mtime) in the user's cache folder; a missing or damaged cache only costs time."""

    def __init__(self, path: Path, entries: dict[str, str]) -> None:
        self.path, self.entries, self.changed = path, entries, False

    @classmethod
    def load(cls) -> Cache:
        path = user_cache_path("sdbatch", appauthor=False) / "digests.json"
        try:
            entries = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            entries = {}
        return cls(path, entries if isinstance(entries, dict) else {})

    def digest(self, path: Path, algorithm: str = "") -> str:
        """The digest of a file in hex: BLAKE2b of 16 bytes, or ``sha256``."""
        stat = path.stat()
        key = f"{algorithm}{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
        known = self.entries.get(key)
        if not isinstance(known, str) or len(known) != (64 if algorithm else 32):
            self.entries[key] = known = _hash(path, algorithm)
            self.changed = True
        return known

    def save(self) -> None:
        if not self.changed:
            return
        with suppress(OSError):
            atomic.write(self.path, [json.dumps(self.entries).encode()])


def _hash(path: Path, algorithm: str) -> str:
    h = sha256() if algorithm else blake2b(digest_size=16)
    with path.open("rb") as f:
        while block := f.read(1 << 22):
            h.update(block)
    return h.hexdigest()
