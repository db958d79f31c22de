"""The users' pictures of a shot: listed, replaced, and of videos the frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePath

from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import InputPicture


def pictures(shot: Shot) -> tuple[InputPicture, ...]:
    """The files that ``shot`` needs, without duplicates."""
    return tuple(dict.fromkeys(file for picture in _named(shot) for file in picture.files or (picture,)))


def videos(shot: Shot) -> list[InputPicture]:
    """The videos that a film of ``shot`` follows."""
    return [picture for picture in _named(shot) if picture.clip]


def names(shot: Shot) -> dict[str, str]:
    """What its files are called, by digest; those of a folder that is a video with the folder."""
    found = {file.digest: PurePath(file.path).name for file in pictures(shot)}
    folders = ((PurePath(video.path).name, file) for video in videos(shot) for file in video.files)
    return found | {file.digest: f"{folder}/{PurePath(file.path).name}" for folder, file in folders if folder}


def with_pictures(shot: Shot, change: Callable[[InputPicture], InputPicture]) -> Shot:
    """``shot`` with each of its pictures changed."""
    init = shot.init
    if init is not None:
        mask = init.mask
        if mask is not None and mask.picture is not None:
            mask = replace(mask, picture=change(mask.picture))
        init = replace(init, picture=change(init.picture), mask=mask)
    controls = (replace(c, picture=change(c.picture)) if c.picture is not None else c for c in shot.controls)
    return replace(shot, init=init, controls=tuple(controls))


def first_pass(shot: Shot) -> Shot:
    """``shot`` as it is rendered: from noise, without ControlNets for the picture that it starts from."""
    if shot.init is not None or shot.start is not None or all(control.picture for control in shot.controls):
        return shot
    return replace(shot, controls=tuple(control for control in shot.controls if control.picture is not None))


def at(shot: Shot, seconds: float) -> Shot:
    """``shot`` with the frames that its videos show after ``seconds``."""
    if not videos(shot):
        return shot
    return with_pictures(shot, lambda picture: picture.at(seconds))


def _named(shot: Shot) -> Iterator[InputPicture]:
    if init := shot.init:
        yield init.picture
        if init.mask and init.mask.picture:
            yield init.mask.picture
    yield from (control.picture for control in shot.controls if control.picture is not None)
