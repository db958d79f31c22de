"""The users' pictures of a shot: listed, and replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import InputPicture


def pictures(shot: Shot) -> tuple[InputPicture, ...]:
    """The pictures that ``shot`` needs, without duplicates."""
    found = [*([shot.init.picture] if shot.init else []), *(control.picture for control in shot.controls)]
    return tuple(dict.fromkeys(found))


def with_pictures(shot: Shot, change: Callable[[InputPicture], InputPicture]) -> Shot:
    """``shot`` with each of its pictures changed."""
    init = replace(shot.init, picture=change(shot.init.picture)) if shot.init else None
    controls = tuple(replace(control, picture=change(control.picture)) for control in shot.controls)
    return replace(shot, init=init, controls=controls)
