"""Keeps what ControlNets saw beside the results: ``controls/``, once for each picture, preprocessor and size."""

from __future__ import annotations

from pathlib import Path

from sdbatch.media import png
from sdbatch.media.control_picture import control_picture
from sdbatch.runner.inputs import Inputs
from sdbatch.spec.jobs import Shot
from sdbatch.spec.pictures import InputPicture
from sdbatch.store import Store, Worker

FOLDER = "controls"


class ControlPictures:
    """``inputs`` has the pixels of users' pictures."""

    def __init__(self, store: Store, worker: Worker, inputs: Inputs) -> None:
        self._store = store
        self._worker = worker
        self._inputs = inputs

    def keep(self, shot: Shot) -> None:
        """Write the control pictures of ``shot`` that are not there. Raises RenderError and StoreError."""
        for control in shot.controls:
            size, picture = (shot.width, shot.height), control.picture
            if picture and not (path := self._store.root / place(picture, control.preprocess, size)).exists():
                pixels = control_picture(self._inputs.pixels(picture), control.preprocess, size)
                self._worker.save(path, [png.encode(pixels, {}, None)])


def places(shot: Shot) -> list[Path]:
    """The paths of the control pictures of ``shot`` in the folder of results."""
    size = (shot.width, shot.height)
    return [place(c.picture, c.preprocess, size) for c in shot.controls if c.picture]


def place(picture: InputPicture, preprocess: str, size: tuple[int, int]) -> Path:
    """The path in the folder of results."""
    frame = "" if picture.frame is None else f"-{picture.frame:05d}"
    return Path(FOLDER, f"{picture.digest[3:19]}{frame}-{preprocess}-{size[0]}x{size[1]}.png")
