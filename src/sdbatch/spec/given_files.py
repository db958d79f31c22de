"""Files of the pictures that shots were given, beside the results.

controls/   what ControlNets saw; of a video, its first frame
starts/     the users' pictures that pictures start from, at their size
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdbatch.spec.control import Control
from sdbatch.spec.jobs import Job
from sdbatch.spec.pictures import Init, InputPicture, Sides

CONTROLS, STARTS = "controls", "starts"
FOLDERS = (CONTROLS, STARTS)


@dataclass(frozen=True, slots=True)
class Given:
    """One file: its path in the folder of results, and what is in it at ``size`` (width, height)."""

    path: Path
    size: tuple[int, int]
    control: Control | None = None
    init: Init | None = None


def of(job: Job) -> Iterator[Given]:
    """The files of ``job``."""
    size = (job.shot.width, job.shot.height)
    for control in job.shot.controls:
        if control.picture is not None:
            yield Given(_path(CONTROLS, control.picture, control.preprocess, size), size, control=control)
    if (path := start(job)) is not None:
        yield Given(path, size, init=job.shot.init)


def start(job: Job) -> Path | None:
    """The path of the user's picture that a picture starts from. Videos have none."""
    init = job.shot.init
    if init is None or job.video is not None:
        return None
    sides = init.extend
    how = [init.resize, *([f"{sides.left}.{sides.top}.{sides.right}.{sides.bottom}"] if sides != Sides() else [])]
    if init.mask is not None and init.mask.picture is None:
        how.append("alpha")  # its colours under the clear parts are seen
    return _path(STARTS, init.picture, "-".join(how), (job.shot.width, job.shot.height))


def _path(folder: str, picture: InputPicture, how: str, size: tuple[int, int]) -> Path:
    frame = "" if picture.frame is None else f"-{picture.frame:05d}"
    return Path(folder, f"{picture.digest[3:19]}{frame}-{how}-{size[0]}x{size[1]}.png")
