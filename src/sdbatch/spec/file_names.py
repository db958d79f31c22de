"""Names of the files that a job becomes, relative to outputs/<name>/: written and read here and nowhere else.

In a large plan the files are in 256 folders, named by the first two digits of their ids: ``images/3f/…``. A record
contains the path of its file, so a plan that has grown finds the earlier ones.

A picture is one PNG. Beside a video are its poster (the first frame) and its sidecar (its metadata).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sdbatch.spec.codecs import CODECS

PICTURES, VIDEOS = "images", "videos"
FOLDERS = (PICTURES, VIDEOS)
PNG = ".png"  # pictures, posters, shots and frames
SIDECAR = ".json"
LONGEST = 150  # bytes of a job's file name without its suffix
_FOLDER = "|".join(FOLDERS)
_FAN = re.compile(r"[0-9a-f]{2}")
_INSIDE = re.compile(rf"(?:{_FOLDER})/({_FAN.pattern}/)?([^/.\\][^/\\]*)\.[a-z0-9]+")
_SLUG = re.compile(r"[a-z0-9-]{1,60}")


def job_file(stem: str, job_id: str, codec: str | None, spread: bool = False) -> str:
    """The file of a job: a picture, or with a codec a video. ``spread``: in one of 256 folders."""
    folder, suffix = (PICTURES, PNG) if codec is None else (VIDEOS, f".{CODECS[codec].suffix}")
    within = f"{fan(job_id)}/" if spread else ""
    return f"{folder}/{within}{stem}{suffix}"


def usual_stem(slug: str, seed: int, job_id: str) -> str:
    """The name of a job's file without its suffix, unless the experiment names its files otherwise."""
    return f"{slug}-s{seed}-{job_id}"


def naming(stem: str, seed: int, job_id: str) -> tuple[str, str]:
    """(slug, name) of the job whose file has this stem: the slug of a usual name or another name, the other empty."""
    slug = stem.removesuffix(usual_stem("", seed, job_id))
    return (slug, "") if slug != stem and _SLUG.fullmatch(slug) else ("", stem)


def naming_of(path: str, seed: int, job_id: str) -> tuple[str, str]:
    """``naming`` of a path, which may be of unknown origin: nothing for one that leads elsewhere or is too long."""
    found = _INSIDE.fullmatch(path) if is_inside(path) else None
    return naming(found[2], seed, job_id) if found and len(found[2].encode()) <= LONGEST else ("", "")


def fan(some_id: str) -> str:
    """The folder, one of 256, of the id of a job or shot: its first two digits."""
    return some_id[1:3]


def is_spread(path: str) -> bool:
    """Whether ``path``, made by ``job_file``, is in one of 256 folders."""
    found = _INSIDE.fullmatch(path)
    return bool(found and found[1])


def folders(root: Path) -> Iterator[Path]:
    """The folders of an experiment that can hold files of jobs, those inside of others first."""
    for name in FOLDERS:
        yield from fans(root / name)
        yield root / name


def fans(folder: Path) -> list[Path]:
    """Those of the 256 folders that exist in ``folder``, sorted."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(folder / e.name for e in entries if _FAN.fullmatch(e.name) and e.is_dir(follow_symlinks=False))
    return []


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
