"""Names of the files that a job becomes, relative to outputs/<name>/: written and read here and nowhere else.

A picture is one PNG. Beside a video are its poster (the first frame) and its sidecar (its metadata).
"""

from __future__ import annotations

import re
from pathlib import Path

from sdbatch.spec.codecs import CODECS

PICTURES, VIDEOS = "images", "videos"
FOLDERS = (PICTURES, VIDEOS)
PNG = ".png"  # pictures, posters, shots and frames
SIDECAR = ".json"
_FOLDER = "|".join(FOLDERS)
_OURS = re.compile(rf"(?:{_FOLDER})/([a-z0-9-]{{1,60}})-s\d+-\w+\.[a-z0-9]+")
_INSIDE = re.compile(rf"(?:{_FOLDER})/[^/.\\][^/\\]*\.[a-z0-9]+")


def job_file(slug: str, seed: int, job_id: str, codec: str | None) -> str:
    """The file of a job: a picture, or with a codec a video."""
    folder, suffix = (PICTURES, PNG) if codec is None else (VIDEOS, f".{CODECS[codec].suffix}")
    return f"{folder}/{slug}-s{seed}-{job_id}{suffix}"


def slug_of(path: str) -> str:
    """The slug that ``job_file`` was given; empty for a path that it cannot have made."""
    found = _OURS.fullmatch(path)
    return found[1] if found else ""


def is_inside(path: str) -> bool:
    """Whether ``path``, which a file of unknown origin says, names a job's file and leads nowhere else."""
    return bool(_INSIDE.fullmatch(path)) and path.isprintable()


def is_picture(path: Path) -> bool:
    """Whether a job's file is a picture, not a video."""
    return path.suffix == PNG


def is_video(path: Path) -> bool:
    """Whether a name ends like a video of one of the codecs."""
    return path.suffix[1:] in {codec.suffix for codec in CODECS.values()}


def poster(video: Path) -> Path:
    """The first frame of a video, as a PNG."""
    return video.with_suffix(PNG)


def sidecar(video: Path) -> Path:
    """The metadata of a video, as JSON."""
    return video.with_suffix(SIDECAR)


def companions(path: Path) -> tuple[Path, ...]:
    """The files beside a job's file; none beside a picture."""
    return () if is_picture(path) else (sidecar(path), poster(path))
